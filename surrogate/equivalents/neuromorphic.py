"""sinabs's `sinabs.activation`, a surrogate gradient function for a spike generation function;
lava-dl's `slayer.spike.Spike` and Rockpool's `StepPWL`."""

from __future__ import annotations

import math
from typing import Literal

from surrogate import derivatives as d
from surrogate import functions as f
from surrogate.core.numbers import Count, Positive
from surrogate.equivalents.base import Package
from surrogate.pair import SurrogateActivation

SpikeFunction = Literal["SingleSpike", "MultiSpike", "MaxSpike"]


class Sinabs(Package, distribution="sinabs"):
    """Functions of the membrane potential v; thr is `spike_threshold`, and N(v; μ, σ) a normal
    density. `spike_fn` is the function: `SingleSpike` is 1 if v ≥ thr, else 0; `MultiSpike` is
    ⌊v / thr⌋, at least 0; `MaxSpike` that, but at most `max_num_spikes_per_bin`. The code returns
    float32 whatever the input."""

    def pair(
        self,
        made: d.Derivative,
        spike_threshold: Positive = 1.0,
        spike_fn: SpikeFunction = "SingleSpike",
        max_num_spikes_per_bin: Count | None = None,
    ) -> SurrogateActivation:
        if spike_fn == "SingleSpike":
            return SurrogateActivation(f.Heaviside(spike_threshold), made)
        most = max_num_spikes_per_bin if spike_fn == "MaxSpike" else None
        return SurrogateActivation(f.MultiSpike(spike_threshold, most), made)

    def Heaviside(self, window: float = 1.0, spike_threshold: Positive = 1.0) -> d.Derivative:
        """1 if v ≥ thr, else 0. Reports 1/thr if v ≥ thr − window, else 0.

        The document calls the window relative to the threshold; in the code, and here, it is not.
        """
        inside = d.Constant(1 / spike_threshold)
        return d.Split(d.Constant(0.0), inside, at=spike_threshold - window)

    def Gaussian(
        self,
        mu: float = 0.0,
        sigma: Positive = 0.5,
        grad_scale: float = 1.0,
        spike_threshold: Positive = 1.0,
    ) -> d.Derivative:
        """1 if v ≥ thr, else 0. Reports grad_scale · N(v − thr; mu, sigma)."""
        return density(spike_threshold + mu, sigma, grad_scale)

    def MultiGaussian(
        self,
        mu: float = 0.0,
        sigma: Positive = 0.5,
        h: float = 0.15,
        s: Positive = 6,
        grad_scale: float = 1.0,
        spike_threshold: Positive = 1.0,
    ) -> d.Derivative:
        """1 if v ≥ thr, else 0. Reports grad_scale · [(1 + h) · N(v − thr; mu, sigma)
        − h · N(v − thr; sigma, s·sigma) − h · N(v − thr; −sigma, s·sigma)]."""
        middle = density(spike_threshold + mu, sigma, (1 + h) * grad_scale)
        right = density(spike_threshold + sigma, s * sigma, -h * grad_scale)
        left = density(spike_threshold - sigma, s * sigma, -h * grad_scale)
        return middle + right + left

    def SingleExponential(
        self, grad_width: Positive = 0.5, grad_scale: float = 1.0, spike_threshold: Positive = 1.0
    ) -> d.Derivative:
        """1 if v ≥ thr, else 0. Reports grad_scale · e^(−|v − thr| / w) / w, w =
        thr · grad_width."""
        width = spike_threshold * grad_width
        return d.Laplace(width, height=grad_scale / width).shift(spike_threshold)

    def PeriodicExponential(
        self, grad_width: Positive = 0.5, grad_scale: float = 1.0, spike_threshold: Positive = 1.0
    ) -> d.Derivative:
        """1 if v ≥ thr, else 0. Reports grad_scale · e^(−d / grad_width), where d is thr − v below
        thr, and above it twice the distance to the nearest multiple of thr."""
        below = d.Laplace(grad_width, height=grad_scale).shift(spike_threshold)
        above = d.PeriodicLaplace(grad_width / 2, height=grad_scale, period=spike_threshold)
        return d.Split(below, above, at=spike_threshold)


def density(mean: float, sigma: float, weight: float) -> d.Derivative:
    """weight · N(v; mean, sigma)."""
    return d.Gaussian(width=sigma, height=weight / (math.sqrt(2 * math.pi) * sigma)).shift(mean)


class Lava(Package):
    """lava-dl's SLAYER. The formulas were read from its code, which was not run."""

    def Spike(
        self,
        threshold: float = 1.0,
        tau_rho: Positive = 1.0,
        scale_rho: float = 1.0,
        graded_spike: bool = False,
        scale: Positive = 1,
    ) -> SurrogateActivation:
        """1 if v ≥ threshold, else 0. Reports scale_rho / (2·tau_rho) · e^(−|v − threshold| /
        tau_rho).

        With `graded_spike` it is v / scale if v ≥ threshold, else 0, and reports
        scale_rho · e^(min(v − threshold, 0) / tau_rho).
        """
        if not graded_spike:
            rho = d.Laplace(tau_rho, height=scale_rho / (2 * tau_rho)).shift(threshold)
            return SurrogateActivation(f.Heaviside(threshold), rho)
        rho = d.Laplace(tau_rho, height=scale_rho).shift(threshold)
        return SurrogateActivation(
            f.GradedSpike(threshold, scale), d.Split(rho, d.Constant(scale_rho), at=threshold)
        )


class Rockpool(Package):
    """Compared by hand with the code of Rockpool 3.1.0."""

    def StepPWL(
        self, threshold: Positive = 1.0, window: float = 0.5, max_spikes_per_dt: Count = 2**16
    ) -> SurrogateActivation:
        """⌊x / threshold⌋, at least 0. Reports 1/threshold if x ≥ threshold − window, else 0.

        Rockpool learns the threshold t, by the gradient −x / t² inside the window. Applied to
        x / t, the pair of threshold 1 and window / t reports the same for x and for t:

        >>> import torch
        >>> import surrogate
        >>> x, t = torch.tensor([1.0, 1.6, 5.0]), torch.tensor(2.0, requires_grad=True)
        >>> spikes = surrogate.equivalent("rockpool.StepPWL", window=0.5 / 2)
        >>> spikes(x / t).sum().backward()
        >>> round(t.grad.item(), 4), -(1.6 + 5) / 2**2
        (-1.65, -1.65)
        """
        return SurrogateActivation(
            f.MultiSpike(threshold, most=max_spikes_per_dt),
            d.Split(d.Constant(0.0), d.Constant(1 / threshold), at=threshold - window),
        )
