"""Derivations as lines: a key of the text that explains it, the formula in plain letters, and the formula in LaTeX.

The gradient of an affine map is derived twice: element by element, and by differentials; the letters are those of its storage.
"""

from __future__ import annotations

from typing import NamedTuple

from bursar.theory.gradients import Affine
from bursar.theory.products import Operand, Term


class Line(NamedTuple):
    """A line of a derivation."""

    key: str
    formula: str
    latex: str


def by_elements(of: Affine) -> tuple[Line, ...]:
    """∂L/∂ of one entry, summed over every result that the entry goes into, read back as a product."""
    left, right = of.factors
    bias, kept = of.storage.letter("bias").lower(), "ij" if of.storage.spread is None else "ji"[of.storage.spread]
    lines = [
        Line(
            "element_forward",
            f"y_ij = Σ_k {_entry(left, 'ik')}·{_entry(right, 'kj')} + {bias}_{kept}",
            rf"y_{{ij}} = \sum_k {_tex(left, 'ik')}\,{_tex(right, 'kj')} + {bias}_{{{kept}}}",
        )
    ]
    for factor, other, place, over, with_ in ((left, right, "ik", "j", "kj"), (right, left, "kj", "i", "ik")):
        entry, gradient = _entry(factor, place), of.gradient(_role(of, factor))
        lines.append(
            Line(
                "element_gradient",
                f"∂L/∂{entry} = Σ_{over} g_ij·{_entry(other, with_)}   →   {gradient.result} = {gradient.formula}",
                rf"\frac{{\partial L}}{{\partial {_tex(factor, place)}}} = \sum_{over} g_{{ij}}\,{_tex(other, with_)}"
                rf"\;\Rightarrow\; {_gradient_tex(gradient)}",
            )
        )
    return (*lines, _bias(of))


def by_differentials(of: Affine) -> tuple[Line, ...]:
    """dL = ⟨G, dY⟩, with the factors moved over until each differential stands alone."""
    left, right = of.factors
    bias = of.storage.letter("bias")
    gradients = {role: of.gradient(role) for role in ("weight", "input")}
    parts = [f"⟨{term.formula}, d{of.storage.letter(role)}⟩" for role, term in gradients.items()]
    tex = [rf"\langle {_product_tex(term)},\,d{of.storage.letter(role)}\rangle" for role, term in gradients.items()]
    moved, moved_tex = (
        f"d{left.name}·{right.name} + {left.name}·d{right.name} + d{bias}",
        (rf"d{_name_tex(left)}\,{_name_tex(right)} + {_name_tex(left)}\,d{_name_tex(right)} + d{bias}"),
    )
    return (
        Line("differential_define", "dL = ⟨G, dY⟩ = tr(Gᵀ·dY)", r"dL = \langle G, dY\rangle = \operatorname{tr}(G^{\top}dY)"),
        Line("differential_product", f"dL = ⟨G, {moved}⟩", rf"dL = \langle G,\,{moved_tex}\rangle"),
        Line(
            "differential_move", f"dL = {' + '.join(parts)} + ⟨{of.bias}, d{bias}⟩",
            f"dL = {' + '.join(tex)} + " + rf"\langle {_bias_tex(of)},\,d{bias}\rangle",
        ),
    )  # fmt: skip


def _bias(of: Affine) -> Line:
    letter = of.storage.letter("bias")
    if of.storage.spread is None:
        return Line("bias_whole", f"dL/d{letter} = G", rf"\frac{{\partial L}}{{\partial {letter}}} = G")
    over, kept = ("i", "j") if of.storage.spread == 0 else ("j", "i")
    text = f"∂L/∂{letter}_{kept} = Σ_{over} g_ij   →   dL/d{letter} = {of.bias}"
    return Line("bias_spread", text, rf"\frac{{\partial L}}{{\partial {letter}_{kept}}} = \sum_{over} g_{{ij}}")


def _bias_tex(of: Affine) -> str:
    return "G" if of.storage.spread is None else r"G\mathbf{1}" if of.storage.spread else r"\mathbf{1}^{\top}G"


def _role(of: Affine, factor: Operand) -> str:
    return "weight" if factor.name.removesuffix("ᵀ") == of.storage.letter("weight") else "input"


def _entry(factor: Operand, place: str) -> str:
    """An entry of a factor as an entry of what is stored: the transpose has its indices swapped."""
    index = place[::-1] if factor.name.endswith("ᵀ") else place
    return f"{factor.name.removesuffix('ᵀ').lower()}_{index}"


def _tex(factor: Operand, place: str) -> str:
    name, _, index = _entry(factor, place).partition("_")
    return f"{name}_{{{index}}}"


def _name_tex(operand: Operand) -> str:
    return operand.name.replace("ᵀ", r"^{\top}")


def _product_tex(term: Term) -> str:
    return rf"{_name_tex(term.left)}\,{_name_tex(term.right)}"


def _gradient_tex(term: Term) -> str:
    return rf"\frac{{\partial L}}{{\partial {term.result.removeprefix('dL/d')}}} = {_product_tex(term)}"


def mlp_equations(*, mean: bool) -> tuple[Line, ...]:
    """Back-propagation through layers, samples as rows."""
    share, share_tex = ("/(B·M_n)", r"\frac{2}{BM_n}") if mean else ("", "2")
    return (
        Line(
            "mlp_forward", "h_i = z_(i−1)·w_i,  z_i = σ(h_i),  z_0 = x", r"h_i = z_{i-1}w_i,\quad z_i = \sigma(h_i),\quad z_0 = x"
        ),
        Line(
            "mlp_error_mean" if mean else "mlp_error",
            f"G_n = 2·(z_n − y){share} ⊙ σ′(h_n)",
            rf"G_n = {share_tex}\,(z_n - y)\odot\sigma'(h_n)",
        ),
        Line("mlp_weight", "dL/dw_i = z_(i−1)ᵀ·G_i", r"\frac{\partial L}{\partial w_i} = z_{i-1}^{\top}G_i"),
        Line("mlp_bias", "dL/db_i = 1ᵀ·G_i", r"\frac{\partial L}{\partial b_i} = \mathbf{1}^{\top}G_i"),
        Line("mlp_back", "G_(i−1) = (G_i·w_iᵀ) ⊙ σ′(h_(i−1))", r"G_{i-1} = (G_iw_i^{\top})\odot\sigma'(h_{i-1})"),
        Line(
            "mlp_ratio",
            "R/F = 2 − M_0·M_1/Σ M_(i−1)·M_i",
            r"\frac{R}{F} = 2 - \frac{M_0M_1}{\sum_i M_{i-1}M_i}",
        ),
        Line("mlp_deep", "R/F = 2 − 1/(N + C/M)", r"\frac{R}{F} = 2 - \frac{1}{N + C/M}"),
    )
