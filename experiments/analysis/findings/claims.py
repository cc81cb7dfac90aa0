"""The claims, each with its rule, which was written before any result was read; their studies."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.analysis.findings.measure import Claim, Claimed, Comparison, Correlation, Side
from experiments.analysis.findings.quantities import (
    ACCURACY,
    DEAD,
    DIED,
    GRADIENT,
    LOST,
    OFF_CENTRE,
    SPEED,
    STEPS_BACK,
    TEST_LOSS,
    Quantity,
)


@dataclass(frozen=True)
class Study:
    """A study of configs/studies.

    Args:
        name: of its file, and of that of its results.
        baseline: that of its file.
        scale: how large it is, beside what was published.
        layers: whether a claim needs its layers.csv.
    """

    name: str
    baseline: str
    scale: str
    layers: bool = False

    @property
    def command(self) -> str:
        return f"python -m experiments.compare --config configs/studies/{self.name}.yaml"

    @property
    def keep(self) -> str:
        layers = " --layers" * self.layers
        return (
            f"python -m experiments.report runs/{self.name} "
            f"--publish docs/results/{self.name}.jsonl{layers}"
        )


SHORT = (
    "8 channels and 250 steps (5 epochs of 3,200 images, batch 64), the loss on 3,200 test images. "
    "The published comparison has 128 channels and 200 epochs of 60,000 images."
)
STUDIES = (
    Study("claims", "linear", f"The autoencoder, with Adam: {SHORT}"),
    Study("directional_sgd", "relu", f"The autoencoder, with SGD of momentum 0.9: {SHORT}"),
    Study("mlp", "relu", "Fully connected, 512-256-256-128, on all of Fashion-MNIST, in full: the "
          "tutorial's settings, up to 50 epochs, stopped after 7 without progress."),
    Study("depth2", "relu", "Fully connected, 2 layers of 128: 3 epochs of 12,800 images.", True),
    Study("depth8", "relu", "Fully connected, 8 layers of 128: 3 epochs of 12,800 images.", True),
    Study("lisht", "relu", "Four strided convolutions, SGD: 75 steps (3 epochs of 12,800 images, "
          "batch 512) of Fashion-MNIST; the forum's were on MNIST."),
    Study("lisht_batch_norm", "relu", "As `lisht`, with BatchNorm behind each activation."),
    Study("plain", "relu", "The autoencoder at 32 channels, with Adam: 250 steps."),
    Study("compiled", "relu", "As `plain`, compiled: what `--fast auto` decides for long runs on a "
          "processor without bfloat16."),
    Study("fast", "relu", "As `plain`, compiled, channels last, in bfloat16: what `--fast auto` "
          "decides for long runs on a processor that multiplies it."),
)  # fmt: skip

NOTE = "the note that the autoencoder comes from"
FORUM = "fast.ai's forum, 2019"
TUTORIAL = "Lippe's tutorial on activations, University of Amsterdam"
SCRATCH = "a rewrite of that tutorial"
OURS = "this project, of `--fast auto`"

LOWER = Claimed(high=1.0, words="below 1")
HIGHER = Claimed(low=1.0, words="above 1")
LESS = Claimed(high=0.0, words="below 0")
MORE = Claimed(low=0.0, words="above 0")
NOISE = Claimed(
    words="within ∓ the standard deviation of the second over its seeds", noise=True
)  # fmt: skip

ONE_RATE = (
    "One learning rate for both, and a fake derivative may act as another learning rate "
    "(Schoenbauer et al. 2024, arXiv 2405.05171)."
)

EARLY = "A linear network learns fast and ends early: the claim is about 200 epochs."

UNTRAINED = "PyTorch's initial weights; 8 layers of ReLU do not get beyond chance here."

LATE = "First asked of 8 layers; changed to 2 when the results showed that 8 of ReLU learn nothing."

FIVE = "Five epochs; rounding to bfloat16 is a noise of its own, which training magnifies."

ROUNDED = "Five epochs; compiled code rounds otherwise in the last bits, which training magnifies."

SHIFTED, CLAMPED = "LightReLU(most=1000000000.0) / Exact()", "LightReLU(shift=0.0) / Exact()"
LUS = ("relu", "leaky_relu", "elu", "gelu", "silu")
PERLIN = ("perlin1", "perlin4", "perlin16")
TRUE = ("linear", *LUS, "mish", "sigmoid", "tanh", *PERLIN, "trelu")


def autoencoders(first: str, second: str, quantity: Quantity = TEST_LOSS) -> Comparison:
    return Comparison(quantity, Side("claims", (first,)), Side("claims", (second,)))


def within(study: str, first: str, second: str, quantity: Quantity = ACCURACY) -> Comparison:
    return Comparison(quantity, Side(study, (first,)), Side(study, (second,)))


CLAIMS = (
    Claim("The -LU family is best.", NOTE,
          Comparison(TEST_LOSS, Side("claims", LUS),
                     Side("claims", ("linear", "sigmoid", "tanh", "cantor", "cantor2", *PERLIN))),
          LOWER, f"{EARLY} RReLU, an -LU by name, has a claim of its own."),
    Claim("Some non-linearities are much worse than a linear network.", NOTE,
          Comparison(TEST_LOSS, Side("claims", ("sigmoid", "tanh", "rrelu", *PERLIN), "worst"),
                     Side("claims", ("linear",))),
          Claimed(low=1.1, words="above 1.1: much is 10 % or more"),
          f"{EARLY} Cantor and the staircases, whose true derivative is 0, are left out here."),
    Claim("RReLU is poor: worse than ReLU.", NOTE,
          autoencoders("rrelu", "relu"), HIGHER,
          f"{EARLY} RReLU, with slopes from 1/8 to 1/3, is nearer to that than ReLU is, so more "
          "than the randomness differs."),
    Claim("RReLU is poor: worse than leaky ReLU.", NOTE,
          autoencoders("rrelu", "leaky_relu"), HIGHER, "As above: leaky ReLU has slope 0.01."),
    Claim("Perlin noise is inconsistent in training: more so than sigmoid.",
          NOTE,
          Comparison(STEPS_BACK, Side("claims", PERLIN, "mean"), Side("claims", ("sigmoid",))),
          MORE, "Five points of a curve show few steps back."),
    Claim("Perlin noise ends near sigmoid.", NOTE,
          Comparison(TEST_LOSS, Side("claims", PERLIN, "mean"), Side("claims", ("sigmoid",))),
          Claimed(0.9, 1.1, "between 0.9 and 1.1"),
          "The claim is about the end of 200 epochs: the figure is about 250 steps, and leaves "
          "that open."),
    Claim("Cantor with its true derivative, 0, is a lost cause.", NOTE,
          autoencoders("cantor", "linear"), Claimed(low=2.0, words="above 2"),
          "What is behind the last activation still learns."),
    Claim("Cantor2, the same with the derivative 1, is much better than Cantor.", NOTE,
          autoencoders("cantor2", "cantor"), Claimed(high=0.5, words="below 0.5"),
          "Better than Cantor is not good: the table of the study has both beside the linear net."),
    Claim("Noise on ReLU's derivative helps.", NOTE,
          autoencoders("relu_noisy", "relu"), LOWER, "One size of noise, 0.3."),
    Claim("Noise on the derivative costs less than noise on the "
          "function.", NOTE, autoencoders("relu_noisy", "rrelu"), LOWER,
          "The two noises are not of the same size or place."),
    Claim("A staircase learns better with the derivative of a "
          "soft-cornered staircase than with the derivative 1.", NOTE,
          autoencoders("staircase_soft", "staircase"), LOWER, "One softness, 0.5, and one step."),
    Claim("A staircase learns better with the derivative of its blurred self "
          "than with the derivative 1.", NOTE,
          autoencoders("staircase_blurred", "staircase"), LOWER, "One width, 0.15."),
    Claim("A blurred derivative makes ReLU converge faster.", NOTE,
          autoencoders("relu_blurred", "relu", SPEED), LOWER, ONE_RATE),
    Claim("A left and a right derivative make ReLU converge faster.",
          NOTE, autoencoders("relu_directional", "relu", SPEED), LOWER,
          ONE_RATE),
    Claim("A left and a right derivative make ReLU better, with Adam.",
          NOTE, autoencoders("relu_directional", "relu"), LOWER, ONE_RATE),
    Claim("A left and a right derivative make ReLU better, with SGD of momentum 0.9.", NOTE,
          within("directional_sgd", "relu_directional", "relu", TEST_LOSS), LOWER,
          "The note warns of momentum. Each at its best learning rate: the lowest was added when "
          "runs at the others had diverged. With that one for both it is ahead, and both are far "
          "behind ReLU at its best."),
    Claim("With SGD of momentum 0.9, a left and a right derivative make ReLU diverge.", NOTE,
          Comparison(LOST, Side("directional_sgd", ("relu_directional",), lr=0.03),
                     Side("directional_sgd", ("relu",), lr=0.03)), MORE,
          "At learning rate 0.03; written after the results were read. Momentum need not be the "
          "cause: by the audits below this pair's gradients are at first hundreds of times as long "
          "as the true ones, which Adam makes up for and SGD does not."),
    Claim("A null control: before BatchNorm a constant shift is nothing, "
          "so TReLU is ReLU.", "our own analysis", autoencoders("trelu", "relu"), NOISE,
          "Rounding differs, and training magnifies it."),
    Claim("A shift brings the means of the outputs nearer to 0: in 2 layers.", FORUM,
          within("depth2", "trelu", "relu", OFF_CENTRE), LESS, f"Without BatchNorm. {LATE}"),
    Claim("A shift brings the means of the outputs nearer to 0: in 8 layers.", FORUM,
          within("depth8", "trelu", "relu", OFF_CENTRE), LESS,
          f"Without BatchNorm. {UNTRAINED} What comes to the deeper layers is near 0, and not the "
          "N(0, 1) that the shift is made for."),
    Claim("TReLU's shift raises the accuracy.", FORUM,
          within("depth2", "trelu", "relu"), MORE,
          f"Not the forum's network or images. {LATE}"),
    Claim("LiSHT without shift and clamp gives NaN, LightReLU does not.", FORUM,
          Comparison(LOST, Side("lisht", ("lisht",), lr=0.4),
                     Side("lisht", ("light_relu",), lr=0.4)), MORE,
          "75 steps at learning rate 0.4, after which LightReLU, without NaN, is at chance: see "
          "the claim on halving it."),
    Claim("BatchNorm keeps LiSHT from diverging.", FORUM,
          Comparison(LOST, Side("lisht", ("lisht",), lr=0.4),
                     Side("lisht_batch_norm", ("lisht",), lr=0.4)), MORE,
          "Nothing to see if LiSHT does not diverge without it either."),
    Claim("With LightReLU, halve the learning rate.", FORUM,
          Comparison(ACCURACY, Side("lisht", ("light_relu",), lr=0.2),
                     Side("lisht", ("light_relu",), lr=0.4)), MORE, "0.4 to 0.2."),
    Claim("LightReLU is more accurate than ReLU.", FORUM,
          within("lisht", "light_relu", "relu"), MORE, "75 steps."),
    Claim("The shift alone makes LiSHT more accurate.", FORUM,
          within("lisht", SHIFTED, "lisht"), MORE, "Of runs that finished."),
    Claim("The clamp alone makes LiSHT more accurate.", FORUM,
          within("lisht", CLAMPED, "lisht"), MORE, "Of runs that finished."),
    Claim("A null control: before BatchNorm the shift is nothing.",
          "our own analysis", within("lisht_batch_norm", SHIFTED, "lisht"), NOISE,
          "Four convolutions."),
    Claim("Sigmoid's gradients get small towards the input, more than "
          "ReLU's.", SCRATCH, within("depth8", "sigmoid", "relu", GRADIENT), LOWER,
          "8 layers, PyTorch's initial weights."),
    Claim("Sigmoid's gradients get smaller with depth: 8 layers against 2.", SCRATCH,
          Comparison(GRADIENT, Side("depth8", ("sigmoid",)), Side("depth2", ("sigmoid",))), LOWER,
          "The two networks have different initial weights, so nothing is paired but the seed."),
    Claim("ReLU's neurons die in training and leaky ReLU's do not.", SCRATCH,
          within("depth2", "relu", "leaky_relu", DIED), MORE,
          f"Dead: one and the same output for 512 images. {LATE}"),
    Claim("More of ReLU's neurons are dead in 8 layers than in 2.", SCRATCH,
          Comparison(DEAD, Side("depth8", ("relu",)), Side("depth2", ("relu",))), MORE,
          f"{UNTRAINED} So this is about the initial weights: those that are dead are so from the "
          "start. Nothing is paired but the seed."),
    Claim("Sigmoid does not get beyond chance, 10 %.", TUTORIAL,
          Comparison(ACCURACY, Side("mlp", ("sigmoid",)), None),
          Claimed(9.0, 11.0, "between 9 % and 11 %"),
          "PyTorch's initial weights, as the tutorial's; others may get it going."),
    Claim("All others are about as accurate: within 1 point.", TUTORIAL,
          Comparison(ACCURACY, Side("mlp", ("tanh", "relu", "leaky_relu", "elu", "swish"), "worst"),
                     Side("mlp", ("tanh", "relu", "leaky_relu", "elu", "swish"))),
          Claimed(low=-1.0, words="above −1 point"), "One learning rate."),
    Claim("Swish performs very well: better than ReLU.", SCRATCH,
          within("mlp", "swish", "relu"), MORE, "One learning rate."),
    Claim("The more curved the function, the smoother the training.", FORUM,
          Correlation(STEPS_BACK, "claims", TRUE), LESS,
          "Curvature is a property of the function that others go with; five points of a curve "
          "show few steps back. Where a seed has none at all, it has no correlation."),
    Claim("The fast settings train ReLU to the same loss.", OURS,
          Comparison(TEST_LOSS, Side("fast", ("relu",)), Side("plain", ("relu",))), NOISE, FIVE),
    Claim("The fast settings train Cantor2 to the same loss.", OURS,
          Comparison(TEST_LOSS, Side("fast", ("cantor2",)), Side("plain", ("cantor2",))), NOISE,
          FIVE),
    Claim("Compiled, ReLU trains to the same loss.", OURS,
          Comparison(TEST_LOSS, Side("compiled", ("relu",)), Side("plain", ("relu",))), NOISE,
          ROUNDED),
    Claim("Compiled, Cantor2 trains to the same loss.", OURS,
          Comparison(TEST_LOSS, Side("compiled", ("cantor2",)), Side("plain", ("cantor2",))), NOISE,
          ROUNDED),
)  # fmt: skip

# Two functions, and what the forum says to be centred.
SHIFTS = ("relu", "lisht", "trelu", "ftswish", "ftswish_plus", "general_relu", "light_relu",
          "tilt_relu")  # fmt: skip
CENTRED = 0.05  # of a |mean| below this

# What was not affordable: what for, and its command.
LATER = (
    ("the autoencoder's claims at the published size (on a GPU)",
     "python -m experiments.compare --config configs/studies/claims.yaml "
     "--config configs/paper.yaml --data.validation 5000 --runs runs/claims_published"),
    ("the same at the default size, hours on two cores",
     "python -m experiments.compare --config configs/studies/claims.yaml "
     "--config configs/laptop.yaml --data.validation 5000 --runs runs/claims_laptop"),
    ("left and right derivatives with SGD without momentum",
     "python -m experiments.compare --config configs/studies/directional_sgd.yaml "
     "--optimizer.momentum 0 --runs runs/directional_plain"),
    ("the forum's table on Imagenette (TReLU 89.8 %, ReLU 88.6 %, one run of each)",
     "python -m experiments.compare --experiment classifier --model.name xresnet18 "
     "--data.name imagenette --act trelu ftswish ftswish_plus general_relu light_relu "
     "--baseline relu --seed 0-5 --runs runs/imagenette"),
)  # fmt: skip
