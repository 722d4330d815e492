"""Which module runs: the innermost one, forward as they are called, backward as the nodes of autograd's graph were made."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

import torch
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook


class Running:
    """While it is entered, `path` is the innermost module of `root` that runs, "" outside of it.

    Autograd numbers its nodes in the order that they are made; the number at every change of module says which module a node of the
    backward pass belongs to."""

    def __init__(self, root: torch.nn.Module) -> None:
        self.names = {module: name or "." for name, module in root.named_modules()}
        self.stack = [""]
        self.numbers: list[int] = [-1]
        self.entered: list[str] = [""]

    def __enter__(self) -> Running:
        self.hooks = [
            register_module_forward_pre_hook(self._enter),
            register_module_forward_hook(self._leave, always_call=True),
        ]
        return self

    def __exit__(self, *error: object) -> None:
        for hook in self.hooks:
            hook.remove()

    @property
    def path(self) -> str:
        if len(self.stack) > 1:  # forward, or a checkpoint that calls its modules again
            return self.stack[-1]
        node = torch._C._current_autograd_node()
        if node is None:
            return ""
        return self.entered[bisect_right(self.numbers, node._sequence_nr()) - 1]

    def _enter(self, module: torch.nn.Module, given: Any) -> None:
        self._move([*self.stack, self.names.get(module, self.stack[-1])])

    def _leave(self, module: torch.nn.Module, given: Any, made: Any) -> None:
        self._move(self.stack[:-1])

    def _move(self, stack: list[str]) -> None:
        self.stack = stack
        self.numbers.append(torch.autograd._get_sequence_nr())
        self.entered.append(stack[-1])
