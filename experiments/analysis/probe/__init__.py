"""Where activations are sampled while networks train, and what derivatives they report there.

    python -m experiments.autoencoder --act relu cantor2 --probe true
    python -m experiments.probe runs/autoencoder/relu/seed0 -o figures
    python -m experiments.probe runs/autoencoder -o figures
    python -m experiments.probe docs/results/probe.jsonl -o figures

reads the probe.npz of every run in the folders that has ended, or the recordings that were
published with a study, prints a line for each activation and learning
rate, and draws

    where.png     density of the pre-activations under the function's curve, by site and epoch
    where.gif     the same as an animation through the epochs
    moves.png     the same over all sites, side by side for learning rates, seeds, first and last
                  epoch
    gradient.png  the upstream gradients, the reported derivatives and the gradients passed on
"""
