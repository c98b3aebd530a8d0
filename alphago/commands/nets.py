"""`alphago nets`: make a fresh network file, describe one, say how close the precisions are."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from alphago.nets.architecture import AlphaGoPolicy, AlphaGoValue, Residual

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Make and describe network files.",
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command()
def new(
    out: Annotated[str, typer.Option("--out", help="The file to write.")],
    kind: Annotated[str, typer.Option("--kind", help="residual, alphago-policy or alphago-value.")] = "residual",
    blocks: Annotated[int | None, typer.Option("--blocks", help="residual: blocks [default: 6].")] = None,
    channels: Annotated[
        int | None, typer.Option("--channels", help="Channels of a convolution [default: 96; alphago kinds: 192].")
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(
            "--features",
            help="Input planes: alphago48, alphago49, zero17, rich or rich-fast "
            "[default: rich-fast; alphago-policy: alphago48; alphago-value: alphago49].",
        ),
    ] = None,
    size: Annotated[int | None, typer.Option("--size", help="alphago kinds: the one board size [default: 19].")] = None,
    layers: Annotated[int | None, typer.Option("--layers", help="alphago kinds: convolutions [default: 13].")] = None,
    hidden: Annotated[
        int | None, typer.Option("--hidden", help="alphago-value: units of the fully connected layer [default: 256].")
    ] = None,
    pool_every: Annotated[
        int | None,
        typer.Option("--pool-every", help="residual: every k-th block pools globally; 0: none [default: 0]."),
    ] = None,
    block: Annotated[
        str | None, typer.Option("--block", help="residual: plain, bottleneck or nested [default: plain].")
    ] = None,
    kernel: Annotated[
        int | None, typer.Option("--kernel", help="residual: side of the blocks' convolutions, 3 or 5 [default: 3].")
    ] = None,
    stem_kernel: Annotated[
        int | None, typer.Option("--stem-kernel", help="residual: side of the first convolution [default: 3].")
    ] = None,
    squeeze: Annotated[
        int | None,
        typer.Option(
            "--squeeze", help="residual: squeeze-and-excitation to 1/r of the channels; 0: none [default: 0]."
        ),
    ] = None,
    head_channels: Annotated[
        int | None, typer.Option("--head-channels", help="residual: channels of the heads [default: 32].")
    ] = None,
    value_hidden: Annotated[
        int | None, typer.Option("--value-hidden", help="residual: hidden units of outcome and score [default: 64].")
    ] = None,
    activation: Annotated[
        str | None, typer.Option("--activation", help="residual: relu, silu or mish [default: relu].")
    ] = None,
    value_activation: Annotated[
        str | None,
        typer.Option("--value-activation", help="residual: of the value head's hidden units [default: silu]."),
    ] = None,
    outcome: Annotated[
        bool | None, typer.Option("--outcome/--no-outcome", help="residual: win, draw, loss [default: on].")
    ] = None,
    ownership: Annotated[
        bool | None, typer.Option("--ownership/--no-ownership", help="residual: who owns each point [default: on].")
    ] = None,
    score: Annotated[bool | None, typer.Option("--score/--no-score", help="residual: points [default: on].")] = None,
    reply: Annotated[
        bool | None, typer.Option("--reply/--no-reply", help="residual: the opponent's answer [default: off].")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the weights.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if there is one.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write an untrained network."""
    given = {
        "blocks": blocks,
        "channels": channels,
        "feature_set": features,
        "size": size,
        "layers": layers,
        "hidden": hidden,
        "pool_every": pool_every,
        "block": block,
        "kernel": kernel,
        "stem_kernel": stem_kernel,
        "squeeze": squeeze,
        "head_channels": head_channels,
        "value_hidden": value_hidden,
        "activation": activation,
        "value_activation": value_activation,
        "outcome": outcome,
        "ownership": ownership,
        "score": score,
        "reply": reply,
    }
    architecture = _architecture(kind, {key: value for key, value in given.items() if value is not None})
    if os.path.exists(out) and not force:
        raise typer.BadParameter(f"{out} exists already; --force overwrites it", param_hint="--out")
    from alphago.nets.modules import build
    from alphago.nets.store import save_network

    save_network(out, build(architecture, seed), {"made_by": "alphago nets new", "seed": seed, "trained": False})
    _show(_description(out), as_json)


@app.command()
def info(
    file: Annotated[str, typer.Argument(help="A network file.")],
    as_json: JsonOption = False,
) -> None:
    """Describe a network file: architecture, size, cost of an evaluation, where it comes from."""
    _show(_description(file), as_json)


@app.command()
def agreement(
    net: Annotated[str, typer.Argument(help="A network file, or default, small or rl.")],
    games: Annotated[list[str], typer.Option("--games", help='Stores of games; "default": the one that ships.')],
    size: Annotated[int, typer.Option("--size", help="Board size.", min=2, max=19)] = 9,
    split: Annotated[
        float | None,
        typer.Option("--held-out", help="Only the share of the games that a training run with this split held out."),
    ] = None,
    positions: Annotated[int, typer.Option("--positions", help="Compare so many, evenly spread.", min=1)] = 2000,
    as_json: JsonOption = False,
) -> None:
    """How far every runtime and precision answers as PyTorch does in fp32, on positions of games."""
    from alphago.commands.nets_agreement import agreement_rows, show_agreement

    rows = agreement_rows(net, games, size, split, positions)
    if as_json:
        print(json.dumps({"results": rows}))
    else:
        show_agreement(rows)


def _architecture(kind: str, given: dict[str, Any]) -> Residual | AlphaGoPolicy | AlphaGoValue:
    """The architecture that the options name; a bad one is told by its option's name."""
    import pydantic

    from alphago.messages import did_you_mean
    from alphago.nets.architecture import AlphaGoPolicy, AlphaGoValue, Residual

    kinds: dict[str, type[Residual | AlphaGoPolicy | AlphaGoValue]] = {
        "residual": Residual,
        "alphago-policy": AlphaGoPolicy,
        "alphago-value": AlphaGoValue,
    }
    if kind not in kinds:
        raise typer.BadParameter(
            f"expected one of {', '.join(kinds)}, got {kind!r}{did_you_mean(kind, kinds)}", param_hint="--kind"
        )
    for key in given:
        if key not in kinds[kind].model_fields:
            raise typer.BadParameter(f"a network of kind {kind} has no such part", param_hint=_option(key))
    try:
        return kinds[kind].model_validate(given)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        raise typer.BadParameter(
            f"{first['msg']}, got {first['input']!r}", param_hint=_option(str(first["loc"][0]))
        ) from None


def _option(field: str) -> str:
    return "--features" if field == "feature_set" else "--" + field.replace("_", "-")


def _description(file: str) -> dict[str, Any]:
    from alphago.nets.modules import multiply_adds
    from alphago.nets.store import load_network, network_hash

    network, head = load_network(file)
    architecture = network.architecture
    smallest, largest = architecture.sizes
    sizes = [size for size in (9, 13, 19) if smallest <= size <= largest] or [smallest]
    return {
        "file": file,
        "architecture": architecture.model_dump(),
        "parameters": sum(p.numel() for p in network.parameters()),
        # One multiplication and one addition are two operations.
        "mflop_per_evaluation": {str(size): round(2 * multiply_adds(network, size) / 1e6, 2) for size in sizes},
        "feature_set": architecture.feature_set,
        "planes": architecture.planes,
        "sizes": [smallest, largest],
        "heads": list(architecture.heads),
        "provenance": head.get("provenance"),
        "bytes": os.path.getsize(file),
        "hash": network_hash(network),
    }


def _show(row: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(row))
        return
    architecture = dict(row["architecture"])
    kind = architecture.pop("kind")
    smallest, largest = row["sizes"]
    provenance = row["provenance"]
    lines = {
        "file": f"{row['file']} ({row['bytes'] / 2**20:.2f} MiB)",
        "kind": kind,
        "architecture": ", ".join(f"{key} {value}" for key, value in architecture.items() if key != "feature_set"),
        "parameters": f"{row['parameters']:,}",
        "MFLOP per evaluation": ", ".join(f"{n}x{n}: {x:,}" for n, x in row["mflop_per_evaluation"].items()),
        "feature set": f"{row['feature_set']} ({row['planes']} planes)",
        "boards": f"{smallest}x{smallest}" + ("" if smallest == largest else f" to {largest}x{largest}"),
        "heads": ", ".join(row["heads"]),
        "provenance": provenance if isinstance(provenance, str) else json.dumps(provenance, sort_keys=True),
        "hash": row["hash"],
    }
    for name, text in lines.items():
        print(f"{name + ':':<22}{text}")
