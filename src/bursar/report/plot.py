"""Pictures: panels of marks, which matplotlib (an extra) draws into an SVG or a PNG.

A panel is data, so what a picture shows can be read and tested without the library. A plot has axes; a diagram (boxes and
arrows) has none, and its marks lie in a plane of their own.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from bursar.errors import BursarError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# colours that stay apart in print and for the colour-blind (Okabe and Ito)
BLUE, ORANGE, GREEN, PINK, RED, SKY, GREY, NAVY = (
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#999999", "#004c7f",
)  # fmt: skip
Numbers: TypeAlias = Any  # a sequence or an array of them
PALETTE = (BLUE, ORANGE, GREEN, PINK, RED, SKY, GREY, NAVY)
CHINESE = ("Noto Sans CJK SC", "Source Han Sans SC", "PingFang SC", "Microsoft YaHei", "SimHei", "WenQuanYi Micro Hei")


class Line(NamedTuple):
    """Points joined in order."""

    x: Numbers
    y: Numbers
    label: str = ""
    colour: str = "#000000"
    dashed: bool = False

    def draw(self, axes: Axes) -> None:
        style = "--" if self.dashed else "-"
        axes.plot(self.x, self.y, label=self.label or None, color=self.colour, linestyle=style, linewidth=1.3)


class Dots(NamedTuple):
    """Points."""

    x: Numbers
    y: Numbers
    label: str = ""
    colour: str = BLUE

    def draw(self, axes: Axes) -> None:
        axes.plot(self.x, self.y, "o", label=self.label or None, color=self.colour, markersize=3.5)


class Steps(NamedTuple):
    """A layer of a stack: column i reaches from low[i] to high[i]."""

    low: Numbers
    high: Numbers
    label: str
    colour: str

    def draw(self, axes: Axes) -> None:
        axes.stairs(self.high, baseline=self.low, fill=True, label=self.label, color=self.colour, linewidth=0)


class Bars(NamedTuple):
    """Horizontal bars, the first on top; each from `start` (0 where left out), with what stands at its end."""

    names: Sequence[str]
    values: Numbers
    label: str = ""
    colour: str = BLUE
    start: Numbers | None = None
    ends: Sequence[str] | None = None

    def draw(self, axes: Axes) -> None:
        places = range(len(self.names))
        bars = axes.barh(places, self.values, left=self.start, label=self.label or None, color=self.colour)
        axes.set_yticks(list(places), list(self.names))
        if axes.get_ylim()[0] < axes.get_ylim()[1]:
            axes.invert_yaxis()
        if self.ends:
            axes.bar_label(bars, self.ends, padding=3)


class Rule(NamedTuple):
    """A level: a line across the whole panel."""

    y: float
    label: str = ""
    colour: str = RED

    def draw(self, axes: Axes) -> None:
        axes.axhline(self.y, label=self.label or None, color=self.colour, linestyle="--", linewidth=1)


class Note(NamedTuple):
    """Words at a point."""

    x: float
    y: float
    text: str
    colour: str = "#000000"
    align: str = "center"

    def draw(self, axes: Axes) -> None:
        axes.text(self.x, self.y, self.text, color=self.colour, ha=self.align, va="center", clip_on=False)


class Box(NamedTuple):
    """A rectangle of a diagram by its middle, with words in it."""

    x: float
    y: float
    width: float
    height: float
    text: str = ""
    colour: str = "#ffffff"

    def draw(self, axes: Axes) -> None:
        from matplotlib.patches import Rectangle

        corner = self.x - self.width / 2, self.y - self.height / 2
        axes.add_patch(
            Rectangle(corner, self.width, self.height, facecolor=self.colour, edgecolor="#444444", linewidth=0.8, zorder=3)
        )
        axes.text(self.x, self.y, self.text, ha="center", va="center", fontsize=7.5, zorder=4)


class Arrow(NamedTuple):
    """An arrow of a diagram from a point to a point, with words above its middle."""

    start: tuple[float, float]
    end: tuple[float, float]
    text: str = ""
    colour: str = "#000000"

    def draw(self, axes: Axes) -> None:
        style = {"arrowstyle": "-|>", "color": self.colour, "linewidth": 1.2, "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", xy=self.end, xytext=self.start, arrowprops=style, zorder=2)
        middle = (self.start[0] + self.end[0]) / 2, (self.start[1] + self.end[1]) / 2
        axes.annotate(self.text, middle, xytext=(0, 3), textcoords="offset points", ha="center", va="bottom", color=self.colour)


Mark: TypeAlias = Line | Dots | Steps | Bars | Rule | Note | Box | Arrow


class Panel(NamedTuple):
    """A plot or, without axes, a diagram: its title, its marks, and the words and scales of its axes."""

    title: str
    marks: Sequence[Mark]
    x: str = ""
    y: str = ""
    x_log: bool = False
    y_log: bool = False
    axes: bool = True
    ticks: Sequence[str] = ()  # what stands below the columns
    height: float = 4.8  # inches


def write(path: str, panels: Sequence[Panel], width: float = 9.6) -> None:
    """Draws panels below each other into a file, `width` inches wide.

    Raises BursarError where the file's ending is neither .svg nor .png, it cannot be written, or the library is not there."""
    file = Path(path)
    ending = file.suffix.lower()
    if ending not in (".svg", ".png"):
        raise BursarError(f"chart={path}", field="chart", value=path, valid="a file that ends in .svg or .png")
    try:
        import matplotlib
    except ImportError:
        raise BursarError("a picture needs matplotlib", field="chart", valid="pip install 'bursar[plot]'") from None
    with matplotlib.rc_context(_style(panels, ending)), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # an SVG leaves its letters to who shows it
        # a date would make every run's file another one
        _save(_figure(panels, width), file, {"Date": None} if ending == ".svg" else {})


def _save(figure: Figure, file: Path, metadata: dict[str, Any]) -> None:
    try:
        figure.savefig(file, dpi=144, metadata=metadata)
    except OSError as error:
        raise BursarError(f"cannot write {file}: {error.strerror}", field="chart", value=str(file)) from None


def _figure(panels: Sequence[Panel], width: float) -> Figure:
    from matplotlib.figure import Figure

    heights = [panel.height for panel in panels]
    figure = Figure(figsize=(width, sum(heights)), layout="constrained")
    for panel, axes in zip(panels, figure.subplots(len(panels), squeeze=False, height_ratios=heights)[:, 0], strict=True):
        _draw(panel, axes)
    return figure


def _style(panels: Sequence[Panel], ending: str) -> dict[Any, Any]:
    """Letters stay letters in an SVG; a PNG needs a font that has them."""
    from matplotlib import font_manager

    there = [name for name in CHINESE if name in font_manager.get_font_names()]
    if ending == ".png" and not there and any(ord(letter) >= 0x3400 for letter in str(panels)):
        raise BursarError(
            "a PNG with Chinese words needs a font that has them", field="chart",
            valid=f"a file that ends in .svg, or an installed font: {', '.join(CHINESE)}",
        )  # fmt: skip
    return {"svg.fonttype": "none", "svg.hashsalt": "bursar", "font.size": 9, "font.family": ["DejaVu Sans", *there]}


def _draw(panel: Panel, axes: Axes) -> None:
    axes.set_title(panel.title, loc="left", fontweight="bold")
    if panel.axes:
        axes.set_xlabel(panel.x)
        axes.set_ylabel(panel.y)
        axes.set_xscale("log" if panel.x_log else "linear")
        axes.set_yscale("log" if panel.y_log else "linear")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="#eeeeee")
        axes.set_axisbelow(True)
        if panel.ticks:
            axes.set_xticks([index + 0.5 for index in range(len(panel.ticks))], list(panel.ticks))
    else:
        axes.set_axis_off()
        axes.set_aspect("equal")
    for mark in panel.marks:
        mark.draw(axes)
    if not panel.axes:
        axes.autoscale_view()
    if axes.get_legend_handles_labels()[1]:
        axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
