"""The function that lets all kinds of inputs drive the cells of a part, as text."""

from __future__ import annotations

from hhsim.model.inputs import KINDS


def render_inputs() -> str:
    """The text of `drive(part, k, first_step, network)`, which calls what each kind has in `hhsim.inputs`.

    Currents are added up anew where one of them changes; their kinds come before those with spikes.
    """
    flowing = [name for name, kind in KINDS.items() if kind.flows]
    arriving = [name for name, kind in KINDS.items() if not kind.flows]
    imports = [
        f"from hhsim.inputs.{name} import changes as changes_{name}, flow as flow_{name}" for name in flowing
    ]
    imports += [f"from hhsim.inputs.{name} import arrive as arrive_{name}" for name in arriving]
    lines = [
        *imports,
        "",
        "",
        "@kernel",
        "def drive(part, k, first_step, network):",
        "    inputs = network.inputs",
    ]
    if flowing:
        changed = " or ".join(f"changes_{name}(k, inputs.{name})" for name in flowing)
        lines += [f"    if {changed}:", "        clear_currents(part, network)"]
        lines += [f"        flow_{name}(part, k, inputs.{name}, network)" for name in flowing]
    lines += [f"    arrive_{name}(part, k, first_step, inputs.{name}, network)" for name in arriving]
    return "\n".join(lines) + "\n"
