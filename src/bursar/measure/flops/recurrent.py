"""Recurrent layers that one kernel runs: every step multiplies its input and its state by all their matrices."""

from __future__ import annotations

from typing import Any

import torch

from bursar.measure.flops.registry import counts, size

aten = torch.ops.aten


@counts(aten.mkldnn_rnn_layer)
def _lstm(x: Any, w_ih: Any, w_hh: Any, *args: Any, out: Any, **kwargs: Any) -> int:
    """The CPU's kernel of one LSTM layer: x (t, b, i), four gates, whose matrices come packed."""
    return _gates(x, int(out[0].shape[-1]))


@counts(aten.mkldnn_rnn_layer_backward)
def _lstm_backward(x: Any, *args: Any, out: Any, **kwargs: Any) -> int:
    """The kernel makes every gradient, that of the input too, whether asked for or not."""
    return 2 * _gates(x, int(args[1].shape[-1]))


def _gates(x: Any, hidden: int) -> int:
    steps, batch, width = (int(length) for length in x.shape)
    return 2 * steps * batch * 4 * hidden * (width + hidden)


@counts(aten._cudnn_rnn, aten.miopen_rnn)
def _all_layers(x: Any, weights: Any, *args: Any, out: Any, **kwargs: Any) -> int:
    """The GPU's kernel of all layers and directions, LSTM, GRU or plain: x (t, b, i), or (tokens, i) of sequences end to end."""
    return 2 * size(x.shape[:-1]) * sum(size(weight.shape) for weight in weights if weight.dim() == 2)


@counts(aten._cudnn_rnn_backward, aten.miopen_rnn_backward)
def _all_layers_backward(x: Any, weights: Any, *args: Any, out: Any, **kwargs: Any) -> int:
    """Gradients of every input and state, and of the matrices where they are asked for, which the last argument says."""
    asked = kwargs.get("output_mask", args[-1])
    return (1 + int(bool(asked[3]))) * _all_layers(x, weights, out=out)
