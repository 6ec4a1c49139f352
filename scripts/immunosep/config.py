"""The configuration: defaults from the schema, overlays, and a check that names every mistake at once."""

import copy
import difflib
import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from immunosep.errors import InputError

SCHEMA_PATH = Path(__file__).resolve().parents[2] / "workflow" / "schemas" / "config.json"


def load_schema() -> dict[str, Any]:
    """Read the configuration's JSON Schema."""
    schema: dict[str, Any] = json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))
    return schema


def load_config(*paths: str | Path) -> dict[str, Any]:
    """Read configuration files, each over the ones before, over the defaults.

    Parameters
    ----------
    paths
        YAML files; none gives the defaults.

    Returns
    -------
    dict
        Every key of the schema has a value.

    Raises
    ------
    InputError
        When a file is missing or is no YAML mapping, or when the result breaks the schema; all mistakes at once.
    """
    merged: dict[str, Any] = {}
    for path in paths:
        merged = overlay(merged, _read_yaml(Path(path)))
    return check_config(merged)


def check_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Fill defaults and check a configuration against the closed schema.

    Parameters
    ----------
    config
        Parsed configuration; not changed.

    Returns
    -------
    dict
        The configuration with every default filled in; thresholds that are switched off (null) are gone.

    Raises
    ------
    InputError
        One line for every unknown key and every wrong value.
    """
    from jsonschema import Draft202012Validator

    schema = load_schema()
    filled: dict[str, Any] = _fill(copy.deepcopy(dict(config)), schema, schema)
    problems = [
        line
        for error in sorted(Draft202012Validator(schema).iter_errors(filled), key=lambda e: e.json_path)
        for line in _describe(error)
    ]
    if problems:
        raise InputError("The configuration has {} mistake(s):\n{}".format(len(problems), "\n".join(problems)))
    for layer, thresholds in filled["qc"].items():
        filled["qc"][layer] = {metric: limits for metric, limits in thresholds.items() if limits is not None}
    return filled


# Reference files that a layer's raw processing cannot do without.
NEEDED_REFERENCES: Final = {
    "rna": ("genome", "annotation", "transcriptome"),
    "atac": ("genome", "annotation"),
    "proteome": (),
    "microbiome": ("taxonomy_16s",),
}


def require_inputs(config: Mapping[str, Any], raw_layers: Collection[str]) -> None:
    """Refuse a run that lacks an input which the configuration must name, or names and is not there.

    The manifest, the raw files and the contents of the clinical tables are the intake's to check.

    Parameters
    ----------
    config
        Checked configuration.
    raw_layers
        Layers that start from raw files.

    Raises
    ------
    InputError
        One line for every input that is not given or not there.
    """
    matrices = {layer: options["matrix"] for layer, options in config["layers"].items() if options["enabled"]}
    wanted = [
        (f"reference.{name}", config["reference"][name], f"layer {layer}")
        for layer in raw_layers
        for name in NEEDED_REFERENCES[layer]
    ]
    tables = ("participants", "visits") if config["clinical"]["labels"] is None else ("labels",)
    wanted += [(f"clinical.{name}", config["clinical"][name], "the derivation of labels") for name in tables]
    optional = [(f"layers.{layer}.matrix", path, f"layer {layer}") for layer, path in matrices.items()]
    if "atac" in raw_layers:
        optional.append(("reference.blacklist", config["reference"]["blacklist"], "layer atac"))
        optional.append(("layers.atac.peaks", config["layers"]["atac"]["peaks"], "layer atac"))
    if "microbiome" in raw_layers:
        mock = config["layers"]["microbiome"]["mock_composition"]
        optional.append(("layers.microbiome.mock_composition", mock, "layer microbiome"))
    wanted += [entry for entry in optional if entry[1] is not None]

    problems = [] if raw_layers or any(matrices.values()) else ["  layers: none has a sample or a matrix; enable one."]
    for key, path, user in wanted:
        if path is None:
            problems.append(f"  {key}: {user} needs it; give its path.")
        elif not Path(path).is_file():
            problems.append(f"  {key}: {path} is not there ({user} needs it).")
    if problems:
        raise InputError("Inputs are missing:\n{}".format("\n".join(problems)))


# Options of a layer by which its features are chosen, over the cohort and, for prediction, in every training fold.
FEATURE_FILTERS: Final = {
    "rna": ("min_count", "min_fraction"),
    "atac": ("min_cpm", "min_fraction"),
    "proteome": ("min_detected",),
    "microbiome": ("min_prevalence", "pseudocount"),
}


def feature_filters(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the options by which features are chosen, by layer, of a checked configuration."""
    return {layer: {name: config["layers"][layer][name] for name in names} for layer, names in FEATURE_FILTERS.items()}


def defaults() -> dict[str, Any]:
    """Return the configuration that the schema's defaults make."""
    schema = load_schema()
    filled: dict[str, Any] = _fill({}, schema, schema)
    return filled


def overlay(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two configurations; mappings merge key by key, any other value of `top` wins."""
    merged = dict(base)
    for key, value in top.items():
        below = merged.get(key)
        merged[key] = overlay(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def _read_yaml(path: Path) -> dict[str, Any]:
    # The intake check runs on the standard library alone; it needs the defaults, not a file.
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}). Give the path of a configuration file.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: is not valid YAML: {error}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds no mapping of keys to values.")
    return content


def _resolve(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow a `$ref` of the form ``#/$defs/name``; keys beside it win."""
    if "$ref" not in schema:
        return schema
    target: Mapping[str, Any] = root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    return {**target, **schema}


def _fill(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    """Return `value` with missing properties set to their defaults, at every depth."""
    schema = _resolve(schema, root)
    if not isinstance(value, dict):
        return value
    properties: Mapping[str, Any] = schema.get("properties", {})
    for key, sub in properties.items():
        sub = _resolve(sub, root)
        if key not in value:
            if "default" in sub:
                value[key] = copy.deepcopy(sub["default"])
            elif "properties" in sub:
                value[key] = {}
    other = schema.get("additionalProperties")
    for key, item in value.items():
        if key in properties:
            value[key] = _fill(item, properties[key], root)
        elif isinstance(other, dict):
            value[key] = _fill(item, other, root)
    return value


def _describe(error: Any) -> Iterator[str]:
    """Say one schema error in words a user can act on."""
    where = ".".join(str(part) for part in error.absolute_path) or "(top level)"
    if error.validator == "additionalProperties":
        known = sorted(error.schema.get("properties", {}))
        for key in sorted(set(error.instance) - set(known)):
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"Did you mean '{near[0]}'?" if near else f"Known keys here: {', '.join(known)}."
            yield f"  {where}: unknown key '{key}'. {hint}"
    elif error.validator == "enum":
        allowed = [str(v) for v in error.validator_value]
        near = difflib.get_close_matches(str(error.instance), allowed, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        yield f"  {where}: '{error.instance}' is not one of {', '.join(allowed)}.{hint}"
    else:
        yield f"  {where}: {error.message}"
