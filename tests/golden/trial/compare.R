# Compares the arms of simulated trials with base R and the package survival.
#
#   Rscript compare.R trials.tsv > expected.tsv
#
# Writes: trial, quantity, value (17 significant digits).

suppressPackageStartupMessages(library(survival))

trials <- read.delim(commandArgs(trailingOnly = TRUE)[1], stringsAsFactors = TRUE)
trials$arm <- factor(trials$arm, levels = c("placebo", "active"))

wilson <- function(x, n) as.numeric(prop.test(x, n, correct = FALSE)$conf.int)

newcombe <- function(x1, n1, x0, n0) {
  p1 <- x1 / n1
  p0 <- x0 / n0
  a <- wilson(x1, n1)
  b <- wilson(x0, n0)
  c(
    p1 - p0 - sqrt((p1 - a[1])^2 + (b[2] - p0)^2),
    p1 - p0 + sqrt((a[2] - p1)^2 + (p0 - b[1])^2)
  )
}

compare <- function(trial) {
  active <- trial$arm == "active"
  out <- list()

  test <- t.test(trial$mean_sofa[active], trial$mean_sofa[!active])
  out$welch <- c(-diff(test$estimate), test$conf.int, test$p.value)

  model <- lm(mean_sofa ~ arm + sofa_baseline + endotype + country, data = trial)
  out$adjusted <- c(
    coef(model)["armactive"], confint(model)["armactive", ],
    summary(model)$coefficients["armactive", 4]
  )

  events <- tapply(trial$response, trial$arm, sum)
  n <- table(trial$arm)
  difference <- events["active"] / n["active"] - events["placebo"] / n["placebo"]
  fisher <- fisher.test(table(trial$arm, trial$response))$p.value
  out$risk_difference <- c(
    difference, newcombe(events["active"], n["active"], events["placebo"], n["placebo"]), fisher
  )

  stratum <- interaction(trial$endotype, trial$country, drop = TRUE)
  cube <- table(factor(trial$arm, c("active", "placebo")), factor(trial$response, c(1, 0)), stratum)
  cube <- cube[, , apply(cube, 3, function(t) all(rowSums(t) > 0) && all(colSums(t) > 0)), drop = FALSE]
  mh <- mantelhaen.test(cube, correct = FALSE)
  out$odds_ratio <- c(mh$estimate, mh$conf.int, mh$p.value)

  for (strata in c(FALSE, TRUE)) {
    formula <- if (strata) {
      Surv(time, event) ~ arm + strata(endotype, country)
    } else {
      Surv(time, event) ~ arm
    }
    cox <- summary(coxph(formula, data = trial, ties = "efron"))
    name <- if (strata) "stratified_hazard_ratio" else "hazard_ratio"
    out[[name]] <- c(cox$conf.int[c(1, 3, 4)], cox$coefficients[5])
  }

  rank <- wilcox.test(trial$mean_sofa[active], trial$mean_sofa[!active], exact = FALSE, correct = FALSE)
  out$win <- c(1 - rank$statistic / (sum(active) * sum(!active)), rank$p.value)

  curve <- summary(survfit(Surv(time, event) ~ 1, data = trial[active, ]), times = c(7, 15, 28), extend = TRUE)
  for (i in seq_along(curve$time)) {
    out[[paste0("survival_d", curve$time[i])]] <- c(curve$surv[i], curve$lower[i], curve$upper[i], curve$n.risk[i])
  }
  do.call(rbind, lapply(names(out), function(name) {
    data.frame(quantity = paste(name, seq_along(out[[name]]), sep = "."), value = as.numeric(out[[name]]))
  }))
}

cat("trial\tquantity\tvalue\n")
for (name in sort(unique(as.character(trials$trial)))) {
  table <- compare(droplevels(trials[trials$trial == name, ]))
  cat(sprintf("%s\t%s\t%.17g\n", name, table$quantity, table$value), sep = "")
}
