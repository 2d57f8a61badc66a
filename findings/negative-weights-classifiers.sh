#!/bin/sh
# Background subtracted by negative weights, scikit-learn 1.9.1, LightGBM 4.7.0 and XGBoost 3.2.0: five answers to one question.
#
# Input: a class of 20,000 events of N(1, 1) and 20,000 of N(-1, 1), from which 40,000 more of N(-1, 1) take the second part away by weights
# of -1/2, against a class of 20,000 events of N(0, 1), each with weight 1. The weights add up to 20,000 in either class, and the probability of the
# first is known: 1/(1 + exp(1/2 - x)).
# Behaviour: logistic regression finds it within 0.01. LightGBM says nothing, and gives 0.05 at x = -1 in place of 0.18, and 0.00 at -2 in
# place of 0.08: where weights nearly cancel, its leaves run away. HistGradientBoostingClassifier says nothing either, and gives 0.11 and 0.00.
# GradientBoostingClassifier stops with "Weights sum to zero", which they do in one of its leaves. RandomForestClassifier draws its samples by the weights and stops
# with "probabilities are not non-negative". XGBoost refuses at once: "Weights must be positive values".
# Seen on 2026-11-30, Linux, Python 3.11. Ends with 1 where the behaviour is another.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet scikit-learn==1.9.1 lightgbm==4.7.0 xgboost-cpu==3.2.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import lightgbm
import numpy as np
import xgboost
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression

rng, n = np.random.default_rng(1), 20_000
parts = [(1, n, 1, 1.0), (-1, n, 1, 1.0), (-1, 2 * n, 1, -0.5), (0, n, 0, 1.0)]
x = np.concatenate([rng.normal(mean, 1, size) for mean, size, _, _ in parts])[:, None]
y = np.concatenate([np.full(size, of) for _, size, of, _ in parts])
w = np.concatenate([np.full(size, weight) for _, size, _, weight in parts])
at = np.array([[-2.0], [-1.0], [0.0], [1.0]])
truth = 1 / (1 + np.exp(0.5 - at[:, 0]))


def lgb():
    data = lightgbm.Dataset(x, y, weight=w)
    settings = {"objective": "binary", "verbose": -1, "deterministic": True, "num_threads": 1}
    return lightgbm.train(settings, data, 50).predict(at)


def of(classifier):
    return lambda: classifier.fit(x, y, sample_weight=w).predict_proba(at)[:, 1]


found = {}
for name, work in {
    "logistic regression": of(LogisticRegression()),
    "LightGBM": lgb,
    "HistGradientBoosting": of(HistGradientBoostingClassifier(max_iter=50, early_stopping=False, random_state=0)),
    "GradientBoosting": of(GradientBoostingClassifier(n_estimators=20, random_state=0)),
    "RandomForest": of(RandomForestClassifier(20, min_samples_leaf=500, random_state=0)),
    "XGBoost": lambda: xgboost.DMatrix(x, y, weight=w),
}.items():
    try:
        found[name] = work()
        print(f"{name:21}", found[name].round(3))
    except (ValueError, ZeroDivisionError, xgboost.core.XGBoostError) as error:
        found[name] = str(error)
        print(f"{name:21}", type(error).__name__, str(error).splitlines()[0].split("failed: ")[-1])
print(f"{'truth':21}", truth.round(3))

right = np.abs(found["logistic regression"] - truth).max() < 0.02
silent = found["LightGBM"][0] < 0.02 and found["LightGBM"][1] < 0.1
silent &= found["HistGradientBoosting"][0] < 0.02 and found["HistGradientBoosting"][1] < 0.14
refused = [("GradientBoosting", "sum to zero"), ("RandomForest", "not non-negative"), ("XGBoost", "must be positive")]
if not (right and silent and all(isinstance(found[a], str) and b in found[a] for a, b in refused)):
    sys.exit("the behaviour is another than the one described")
print("as described")
PYTHON
