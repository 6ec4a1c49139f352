"""Contrast of two colours as WCAG 2.1 defines it (relative luminance, section 1.4.3)."""


def luminance(colour):
    """Return the relative luminance of ``#rrggbb``: 0 for black, 1 for white."""
    shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    """Return the ratio of contrast, 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)
