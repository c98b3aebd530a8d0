"""Placing one group after the other: the state between decisions, what is seen of every device, and what is allowed; compiled.

Groups are placed in the problem's order. Of every device a decision sees what it would mean to place the group there: its load
with all transfers so far, the load after, what transfers would be added, where the inputs are, when the group would end, and how
full the memory is. Among devices that are alike and still empty only the first may be chosen: the others would be the same answer.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alphago.controller.placement.compiled import compiled
from alphago.controller.placement.graph import Floats, Ints
from alphago.controller.placement.problem import SLACK, Problem

FEATURES: Final = (
    "load",
    "load_after",
    "transfers_added",
    "share_of_inputs",
    "is_last",
    "is_empty",
    "time",
    "end",
    "waiting",
    "memory_after",
    "over_limit",
    "work_left",
    "room_left",
    "group_transfers",
    "log_transfers_added",
    "is_host",
    "cut_now",
    "cut_saved_later",
    "groups_ahead",
    "group_memory",
    "memory_left",
)
"""What is seen of a device, in this order. Loads, times and transfers are in units of the problem's scale, what is left to place in
shares of the whole."""
CLIP: Final = 4.0
"""No feature is larger."""


class Plan(NamedTuple):
    """A problem as the steps need it: G groups, D devices, N operations."""

    order: Ints  # [G]
    times: Floats  # [G, D], milliseconds; 0 where it cannot
    memory: Floats  # [G]
    limits: Floats  # [D]
    allowed: NDArray[np.bool_]  # [G, D]
    preferred: NDArray[np.bool_]  # [G, D]: no other is chosen while one of these has room
    alike: Ints  # [D]: devices with the same number differ by name alone
    host: NDArray[np.bool_]  # [D]: transfers cost nothing
    group_of: Ints  # [N]
    first_input: Ints  # [G + 1]
    inputs: Ints  # operations of other groups that a group reads
    first_output: Ints  # [G + 1]
    outputs: Ints  # operations of a group that other groups read
    first_reader: Ints  # [N + 1]
    readers: Ints  # groups that read an operation, other than its own
    out_ms: Floats  # [N, D]
    in_ms: Floats  # [N, D]
    copies: Floats  # [N]: bytes that a device needs for an output which it reads from another; 0 under latency
    delay_ms: float
    work: Floats  # [G]: on the best device
    work_before: Floats  # [G + 1]: of the groups before each turn
    memory_before: Floats  # [G + 1]
    cuts: Floats  # [L, G + 1]: row l: the least of the cuts before turns t to t + 2^l - 1, milliseconds
    by_load: bool  # a device is full at the scale, too
    scale: float  # milliseconds


class State(NamedTuple):
    """Of B placements under way."""

    placed: Ints  # [B, G]: -1: not yet
    loads: Floats  # [B, D]: work and transfers
    held: Floats  # [B, D]: bytes
    ends: Floats  # [B, D]: when a device would be done, milliseconds
    group_ends: Floats  # [B, G]
    groups_on: Ints  # [B, D]
    reads: Ints  # [B, N]: devices that have the output of an operation, as bits; its own not counted
    last: Ints  # [B]: device of the group before; -1: there is none
    left: Floats  # [B]: work that is not placed, milliseconds


def make_plan(problem: Problem, fastest_first: bool = False) -> Plan:
    """What the steps need of a problem.

    Args:
        fastest_first: a group goes to a device of the fastest kind (`Problem.fastest`) while one of them has room.
    """
    graph, group_of = problem.graph, problem.group_of
    inputs: list[set[int]] = [set() for _ in range(problem.groups)]
    outputs: list[set[int]] = [set() for _ in range(problem.groups)]
    readers: list[list[int]] = []
    for op, found in enumerate(graph.readers):
        groups = sorted({int(group_of[reader]) for reader in found} - {int(group_of[op])})
        readers.append(groups)
        for group in groups:
            inputs[group].add(op)
        if groups:
            outputs[int(group_of[op])].add(op)
    alike = np.zeros(problem.devices, dtype=np.int64)
    for number, same in enumerate(problem.machine.alike()):
        alike[same] = number
    times = np.where(np.isfinite(problem.times), problem.times, 0.0)
    return Plan(
        problem.order,
        times,
        problem.memory,
        np.where(np.isfinite(problem.limits), problem.limits, 0.0) * (1 + SLACK),
        problem.allowed,
        _preferred(problem) if fastest_first else problem.allowed,
        alike,
        np.array([device.link is None for device in problem.machine.devices]),
        group_of,
        *_rows([sorted(part) for part in inputs]),
        *_rows([sorted(part) for part in outputs]),
        *_rows(readers),
        problem.tables.out_ms,
        problem.tables.in_ms,
        problem.tables.activations * (problem.objective == "throughput"),
        float(problem.machine.delay_ms),
        problem.work,
        np.concatenate([[0.0], np.cumsum(problem.work[problem.order])]),
        np.concatenate([[0.0], np.cumsum(problem.memory[problem.order])]),
        _least(_cuts(problem)),
        problem.objective == "throughput",
        problem.scale_ms,
    )


def _cuts(problem: Problem) -> Floats:
    """[G + 1]: milliseconds of the transfers before each turn, were all before it on one device and all after it on another."""
    turn = np.empty(problem.groups, dtype=np.int64)
    turn[problem.order] = np.arange(problem.groups)
    at = turn[problem.group_of]
    moves = problem.tables.out_ms.max(axis=1) + problem.tables.in_ms.max(axis=1)
    change = np.zeros(problem.groups + 2)
    for op, readers in enumerate(problem.graph.readers):
        turns = [int(at[op]), *(int(at[reader]) for reader in readers)]
        if min(turns) < max(turns):
            change[min(turns) + 1] += moves[op]
            change[max(turns) + 1] -= moves[op]
    return np.maximum(0.0, np.cumsum(change)[: problem.groups + 1])


def _least(cuts: Floats) -> Floats:
    """[L, G + 1] from [G + 1]: the least of every 2^l cuts in a row; two entries give the least of a row of any length."""
    rows = [cuts]
    while 2 ** len(rows) <= len(cuts):
        half = 2 ** (len(rows) - 1)
        shifted = np.concatenate([rows[-1][half:], np.full(half, np.inf)])
        rows.append(np.minimum(rows[-1], shifted))
    return np.stack(rows)


def _preferred(problem: Problem) -> NDArray[np.bool_]:
    """[G, D]: devices of the fastest kind where they can take a group, else all that can."""
    fastest = problem.allowed & problem.fastest
    found: NDArray[np.bool_] = np.where(fastest.any(axis=1, keepdims=True), fastest, problem.allowed)
    return found


def _rows(lists: list[list[int]]) -> tuple[Ints, Ints]:
    flat = np.array([x for part in lists for x in part], dtype=np.int64)
    return np.cumsum([0, *(len(part) for part in lists)], dtype=np.int64), flat


def new_state(plan: Plan, count: int) -> State:
    """So many placements in which nothing is placed."""
    groups, devices = plan.times.shape
    return State(
        np.full((count, groups), -1, np.int64),
        np.zeros((count, devices)),
        np.zeros((count, devices)),
        np.zeros((count, devices)),
        np.zeros((count, groups)),
        np.zeros((count, devices), np.int64),
        np.zeros((count, len(plan.group_of)), np.int64),
        np.full(count, -1, np.int64),
        np.full(count, plan.work.sum()),
    )


@compiled
def _ahead(turn: int, row: int, d: int, p: Plan, s: State) -> int:
    """The last turn up to which a device has room for all groups from this turn on; the turn before this one: for none."""
    most = len(p.work_before) - 1
    room = p.limits[d] - s.held[row, d]
    if p.limits[d] > 0:
        most = min(most, np.searchsorted(p.memory_before, p.memory_before[turn] + room, side="right") - 1)
    if p.by_load:
        most = min(
            most, np.searchsorted(p.work_before, p.work_before[turn] + p.scale - s.loads[row, d], side="right") - 1
        )
    return int(max(turn, most)) - 1


@compiled
def _empty_like(row: int, d: int, p: Plan, s: State) -> int:
    """An empty device before `d` that differs from it, empty too, by name alone; -1: there is none."""
    if s.groups_on[row, d] == 0:
        for other in range(d):
            if p.alike[other] == p.alike[d] and s.groups_on[row, other] == 0:
                return other
    return -1


@compiled
def _see(turn: int, row: int, p: Plan, s: State, seen: NDArray[np.float32], mask: NDArray[np.bool_]) -> None:
    """What the decision of a turn sees in one placement: float32 [D, F], and what it may choose: bool [D]."""
    group = p.order[turn]
    devices = p.times.shape[1]
    scale = p.scale
    total_in, total = 0.0, 0.0
    for k in range(p.first_input[group], p.first_input[group + 1]):
        total_in += p.in_ms[p.inputs[k]].max()
    for k in range(p.first_output[group], p.first_output[group + 1]):
        total += p.out_ms[p.outputs[k]].max()
    capacity = 0.0
    for d in range(devices):
        capacity += max(0.0, scale - s.loads[row, d])
    preferred_fits, fits_any = False, False
    cut = p.cuts[0, turn]
    cut_now = min(CLIP, np.log1p(100 * cut / scale) / 4)
    for d in range(devices):
        like = _empty_like(row, d, p, s)
        if like >= 0:  # the same answer, which looks the same
            seen[d], mask[d] = seen[like], False
            continue
        bit = np.int64(1) << d
        own, added, shared, ready, copied = p.times[group, d], 0.0, 0.0, 0.0, 0.0
        for k in range(p.first_input[group], p.first_input[group + 1]):
            op = p.inputs[k]
            source = p.group_of[op]
            home = s.placed[row, source]
            if home < 0:
                continue
            arrives = s.group_ends[row, source]
            if home == d:
                shared += p.in_ms[op].max()
            elif s.reads[row, op] & bit:
                arrives += p.out_ms[op, home] + p.delay_ms + p.in_ms[op, d]
            else:
                own += p.in_ms[op, d]
                added += p.in_ms[op, d]
                copied += p.copies[op]
                if s.reads[row, op] == 0:
                    added += p.out_ms[op, home]
                arrives += p.out_ms[op, home] + p.delay_ms + p.in_ms[op, d]
            ready = max(ready, arrives)
        for k in range(p.first_output[group], p.first_output[group + 1]):
            op = p.outputs[k]
            bits = np.int64(0)
            for i in range(p.first_reader[op], p.first_reader[op + 1]):
                home = s.placed[row, p.readers[i]]
                if home >= 0 and home != d and not bits & (np.int64(1) << home):
                    bits |= np.int64(1) << home
                    added += p.in_ms[op, home]
            if bits:
                own += p.out_ms[op, d]
                added += p.out_ms[op, d]
        end = max(ready, s.ends[row, d]) + p.times[group, d]
        fill = (s.held[row, d] + p.memory[group] + copied) / p.limits[d] if p.limits[d] > 0 else 0.0
        out = seen[d]
        out[0] = min(CLIP, s.loads[row, d] / scale)
        out[1] = min(CLIP, (s.loads[row, d] + own) / scale)
        out[2] = min(CLIP, added / scale)
        out[3] = shared / total_in if total_in > 0 else 0.0
        out[4] = 1.0 if s.last[row] == d else 0.0
        out[5] = 1.0 if s.groups_on[row, d] == 0 else 0.0
        out[6] = min(CLIP, 10 * p.times[group, d] / scale)
        out[7] = min(CLIP, end / scale)
        out[8] = min(CLIP, max(0.0, ready - s.ends[row, d]) / scale)
        out[9] = min(CLIP, fill)
        out[10] = 1.0 if s.loads[row, d] + own > scale else 0.0
        out[11] = s.left[row] / p.work_before[-1] if p.work_before[-1] > 0 else 0.0
        out[12] = min(CLIP, capacity / scale / devices)
        out[13] = min(CLIP, total / scale)
        out[14] = min(CLIP, np.log1p(100 * added / scale) / 4)
        out[15] = 1.0 if p.host[d] else 0.0
        # a device that goes on may be left after any turn that it has room for: where the cheapest of those cuts is
        last = _ahead(turn, row, d, p, s)
        least = cut
        if last >= turn:
            level, first = 0, turn + 1  # cuts after the turns from this one to the last
            while 2 << level <= last - turn + 1:
                level += 1
            least = min(p.cuts[level, first], p.cuts[level, last + 2 - (1 << level)])
        out[16] = cut_now
        out[17] = min(CLIP, np.log1p(100 * max(0.0, cut - least) / scale) / 4)
        out[18] = (last + 1 - turn) / len(p.order)
        out[19] = min(CLIP, 10 * p.memory[group] / p.limits[d]) if p.limits[d] > 0 else 0.0
        out[20] = 1 - p.memory_before[turn] / p.memory_before[-1] if p.memory_before[-1] > 0 else 0.0
        mask[d] = p.allowed[group, d] and fill <= 1.0
        fits_any = fits_any or mask[d]
        preferred_fits = preferred_fits or (mask[d] and p.preferred[group, d])
    if preferred_fits:
        for d in range(devices):
            mask[d] = mask[d] and p.preferred[group, d]
    if not fits_any:  # a dead end: whatever is chosen, the placement does not fit
        for d in range(devices):
            mask[d] = p.allowed[group, d]


@compiled
def _place(turn: int, row: int, d: int, p: Plan, s: State) -> None:
    """The group of a turn goes to a device."""
    group = p.order[turn]
    bit = np.int64(1) << d
    s.loads[row, d] += p.times[group, d]
    ready = 0.0
    for k in range(p.first_input[group], p.first_input[group + 1]):
        op = p.inputs[k]
        source = p.group_of[op]
        home = s.placed[row, source]
        if home < 0:
            continue
        arrives = s.group_ends[row, source]
        if home != d:
            arrives += p.out_ms[op, home] + p.delay_ms + p.in_ms[op, d]
            if s.reads[row, op] == 0:
                s.loads[row, home] += p.out_ms[op, home]
            if not s.reads[row, op] & bit:
                s.loads[row, d] += p.in_ms[op, d]
                s.held[row, d] += p.copies[op]
                s.reads[row, op] |= bit
        ready = max(ready, arrives)
    for k in range(p.first_output[group], p.first_output[group + 1]):
        op = p.outputs[k]
        for i in range(p.first_reader[op], p.first_reader[op + 1]):
            home = s.placed[row, p.readers[i]]
            if home >= 0 and home != d and not s.reads[row, op] & (np.int64(1) << home):
                if s.reads[row, op] == 0:
                    s.loads[row, d] += p.out_ms[op, d]
                s.reads[row, op] |= np.int64(1) << home
                s.loads[row, home] += p.in_ms[op, home]
                s.held[row, home] += p.copies[op]
    s.ends[row, d] = max(ready, s.ends[row, d]) + p.times[group, d]
    s.group_ends[row, group] = s.ends[row, d]
    s.held[row, d] += p.memory[group]
    s.groups_on[row, d] += 1
    s.placed[row, group] = d
    s.last[row] = d
    s.left[row] -= p.work[group]


@compiled
def see(turn: int, p: Plan, s: State, seen: NDArray[np.float32], masks: NDArray[np.bool_]) -> None:
    """What the decision of a turn sees.

    Args:
        seen: float32 [B, D, F]: gets the features.
        masks: bool [B, D]: gets what may be chosen.
    """
    for row in range(len(seen)):
        _see(turn, row, p, s, seen[row], masks[row])


@compiled
def place(turn: int, choices: Ints, p: Plan, s: State) -> None:
    """The group of a turn goes to `choices`, int64 [B]."""
    for row in range(len(choices)):
        _place(turn, row, choices[row], p, s)


@compiled
def replay(choices: Ints, p: Plan, s: State, seen: NDArray[np.float32], masks: NDArray[np.bool_]) -> None:
    """All decisions of whole placements once more, by turns.

    Args:
        choices: int64 [B, G]: devices in the order of the turns.
        s: a new state of B placements.
        seen: float32 [B, G, D, F].
        masks: bool [B, G, D].
    """
    for row in range(len(choices)):
        for turn in range(choices.shape[1]):
            _see(turn, row, p, s, seen[row, turn], masks[row, turn])
            _place(turn, row, choices[row, turn], p, s)
