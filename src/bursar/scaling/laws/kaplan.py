"""Kaplan et al. 2020, Scaling Laws for Neural Language Models (arXiv:2001.08361).

No irreducible term: the paper itself shows that its laws for N and C contradict each other near 10⁴ PF-days.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bursar.scaling.law import PF_DAY, Counts, Form, Law, Optimum


@dataclass(frozen=True)
class Power:
    """(scale / x)^exponent."""

    scale: float
    exponent: float

    def at(self, x: float) -> float:
        return float((self.scale / x) ** self.exponent)


@dataclass(frozen=True)
class Kaplan(Form):
    """The joint law and its single ones; each was fitted by itself, so their constants differ."""

    reads: ClassVar[tuple[str, ...]] = ("flops",)

    N_c: float = 6.4e13
    alpha_n: float = 0.076
    D_c: float = 1.8e13
    alpha_d: float = 0.103
    of_params: Power = Power(8.8e13, 0.076)
    of_tokens: Power = Power(5.4e13, 0.095)
    of_compute: Power = Power(3.1e8, 0.050)  # C_min in PF-days
    of_naive_compute: Power = Power(1.6e7, 0.057)

    def loss(self, params: float, tokens: float, **more: float) -> float:
        """Equation 1.5: [(N_c/N)^(α_N/α_D) + D_c/D]^α_D."""
        return float(((self.N_c / params) ** (self.alpha_n / self.alpha_d) + self.D_c / tokens) ** self.alpha_d)

    def alone(self, name: str, value: float) -> float:
        """The loss where parameters, tokens or the best use of some FLOPs alone limit it (equations 1.1 to 1.3)."""
        power = {"params": self.of_params, "tokens": self.of_tokens, "flops": self.of_compute}[name]
        return power.at(value / PF_DAY if name == "flops" else value)

    def beside(self, name: str, value: float) -> dict[str, float]:
        """Equation 4.4: from 5·10³·N^0.74 tokens on, overfitting stays below the noise between seeds."""
        return {"enough_tokens": 5e3 * value**0.74} if name == "params" else {}

    def loss_at_step(self, params: float, steps: float) -> float:
        """Equation 1.6: (6.5e13/N)^0.077 + (2.1e3/S)^0.76, steps at a batch far above the critical one."""
        return Power(6.5e13, 0.077).at(params) + Power(2.1e3, 0.76).at(steps)

    def optimum(self, flops: float, **more: float) -> Optimum:
        """Table 6: N = 1.3e9·C^0.73, D = 2e10·C^0.27 with C_min in PF-days."""
        days = flops / PF_DAY
        params, tokens = 1.3e9 * days**0.73, 2e10 * days**0.27
        return Optimum(flops, params, tokens, self.of_compute.at(days))

    def critical_batch(self, loss: float) -> float:
        """Equation 1.4: 2·10⁸·L^(−1/0.21) tokens."""
        return float(2.0e8 * loss ** (-1 / 0.21))

    def hyperparameters(self, **given: float) -> dict[str, float]:
        days = given["flops"] / PF_DAY
        return {"batch_tokens": 2.0e6 * days**0.24, "steps": 5.4e3 * days**0.03}


def compute_exponent(alpha_n: float, alpha_b: float, alpha_s: float) -> float:
    """1/(1/α_S + 1/α_B + 1/α_N): the exponent of the loss in compute that the others imply (equation 1.7)."""
    return 1 / (1 / alpha_s + 1 / alpha_b + 1 / alpha_n)


LAW = Law(
    "kaplan",
    "Kaplan et al. 2020",
    "kaplan-2020",
    Kaplan(),
    Counts("non-embedding", "6ND without embeddings", "tokens processed, GPT-2 BPE", "nat per token, WebText2 test"),
    {"params": (768, 1.5e9), "tokens": (2.2e7, 2.3e10), "flops": (0, 1e4 * PF_DAY)},
    "at second hand, two transcriptions that agree",
    note="no irreducible term, no published uncertainties",
)
