"""lava-dl's `slayer.spike.Spike` and Rockpool's `StepPWL`."""

from __future__ import annotations

from surrogate import derivatives as d
from surrogate import functions as f
from surrogate.core.numbers import Count, Positive
from surrogate.equivalents.base import Package
from surrogate.pair import SurrogateActivation


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
