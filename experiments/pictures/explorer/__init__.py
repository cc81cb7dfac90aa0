"""The Explorer: one HTML file to choose a pair, turn its numbers and see what follows.

    python -m experiments.explorer -o explorer.html --runs docs/results/autoencoder.jsonl

The page needs nothing but a browser, also offline. What the library knows of its parts (names,
arguments, limits, formulas) is read from its registries (`parts`); the formulas are written once
more in JavaScript (`script/functions.js`, `script/derivatives.js`), and those that have no such
twin are sampled (`samples`).
"""

from experiments.pictures.explorer.page import page as page
