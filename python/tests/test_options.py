"""Every option of every command is an argument of its function, with its default, or stands here with the reason why not."""

import inspect
import re

import pytest

import humboldt as hb

FUNCTIONS = {
    "acceptance": hb.acceptance,
    "background": hb.background,
    "bound": hb.bound,
    "campaign merge": hb.Campaign.merge,
    "campaign plan": hb.Campaign.plan,
    "campaign run": hb.Campaign.make,
    "campaign status": hb.Campaign.status,
    "campaign verify": hb.Campaign.verify,
    "check": hb.check,
    "compare": hb.compare,
    "evaluate": hb.evaluate,
    "export": hb.export,
    "fit": hb.fit,
    "generate": hb.generate,
    "global chi2": hb.global_chi2,
    "global compare": hb.global_compare,
    "global fit": hb.global_fit,
    "global predict": hb.global_predict,
    "global sample": hb.global_sample,
    "global scan": hb.global_scan,
    "infer": hb.infer,
    "inputs": hb.inputs,
    "moments": hb.moments,
    "observe": hb.observe,
    "predict": hb.Run.predict,
    "reweight": hb.reweight,
    "run": hb.run,
    "smear": hb.smear,
    "sweights": hb.sweights,
    "train": hb.train,
    "voxelize": hb.voxelize,
}

#: Commands that have no function; `hb.command` does them.
WITHOUT_FUNCTION = {
    "bench": "measures the program",
    "campaign submit": "writes job scripts, which call the program",
    "global gan": "a card's experiment, into a folder",
    "global import": "makes a file of a file",
    "global nn": "a card's experiment, into a folder",
    "global plot": "draws a folder's figures anew",
    "model export": "makes a file of a file; Model.load has the network",
    "model import": "makes a folder of files; Model.load has the network",
    "model list": "names, which Model.load's documentation has",
    "model show": "Model.info has it",
    "plot": "draws a folder's figures anew; plots.linearity draws in Python",
    "report": "writes a page of HTML",
    "schema": "describes files",
    "view": "draws in a terminal; plots.image draws in Python",
}

#: Arguments that have another name than their option, or operand.
RENAMED = {
    ("export", "FILES"): "source",
    ("fit", "events"): "events_per_fit",
    ("generate", "events"): "n_events",
    ("global compare", "with"): "other_data",
}

EVERYWHERE = {
    "help": "help(function)",
    "json": "answers are objects",
    "progress": "bars of a terminal; the argument `progress` is of another kind",
    "quiet": "nothing is printed",
    "threads": "set_threads",
}
TABLE = dict.fromkeys(["out", "format", "force"], "the events are the answer; Events.save writes them")
EXCEPTED = {
    "generate": {**TABLE, "b_momentum": "of four-momenta, which only a file .hepmc has"},
    "global fit": {"out": "a figure of `parameters`"},
    "reweight": TABLE,
    "smear": TABLE,
    "sweights": TABLE,
    "voxelize": {
        **dict.fromkeys(["out", "force", "storage", "gzip"], "the images are the answer, an array"),
        "delta_c9": "a label in the file",
    },
}


def section(text, head):
    found = re.search(rf"^{head}:\n(.*?)(?:\n\n(?=\S)|\Z)", text, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


def commands(words=()):
    """Every command without commands of its own, and its help."""
    text = hb.command(*words, "--help")
    names = re.findall(r"^  ([a-z]\w*)\b", section(text, "Commands"), re.MULTILINE)
    if not names:
        yield " ".join(words), text
    for name in names:
        if name != "help":
            yield from commands((*words, name))


HELP = dict(commands())


def options(command):
    """Options of a command by their names in Python, with what the help says of each."""
    parts = re.split(r"^ {2,6}(?:-\w, )?--([a-z][a-z0-9-]*)", HELP[command], flags=re.MULTILINE)[1:]
    return {name.replace("-", "_").removeprefix("no_"): text for name, text in zip(parts[::2], parts[1::2], strict=True)}


def operands(command):
    return re.findall(r"^  [<[]([A-Z_]+)[>\]]", section(HELP[command], "Arguments"), re.MULTILINE)


def spelled(value):
    """A default as the command line would have it, numbers alike."""
    if isinstance(value, tuple):
        is_axis = len(value) == 2 and isinstance(value[1], tuple)
        value = f"{value[0]}={value[1][0]}:{value[1][1]}" if is_axis else ",".join(map(str, value))
    return re.sub(r"-?\b\d+\.?\d*", lambda x: repr(float(x[0])), str(value))


def test_every_command_is_known():
    assert len(HELP) > 40
    assert set(HELP) == set(FUNCTIONS) | set(WITHOUT_FUNCTION)
    assert not set(FUNCTIONS) & set(WITHOUT_FUNCTION)


@pytest.mark.parametrize("command", FUNCTIONS)
def test_options_are_arguments(command):
    function = FUNCTIONS[command]
    arguments = inspect.signature(function).parameters
    known = {name: text for name, text in options(command).items() if name not in EVERYWHERE}
    of_option = {name: RENAMED.get((command, name), name) for name in known}
    without = {name for name in known if of_option[name] not in arguments}
    assert without == set(EXCEPTED.get(command, {})), "options without an argument, and exceptions"
    of_operands = {RENAMED.get((command, name), name.lower()) for name in operands(command)}
    assert set(arguments) <= {*of_option.values(), *of_operands, "self", "progress"}, "an argument that is no option"
    for name, text in known.items():
        default = re.search(r"\[default:\s([^\]]+)\]", text)
        argument = arguments.get(of_option[name])
        if default and argument and argument.default not in (None, ()):
            assert spelled(argument.default) == spelled(default[1]), name


@pytest.mark.parametrize("command", FUNCTIONS)
def test_arguments_are_documented(command):
    function = FUNCTIONS[command]
    text = inspect.getdoc(function)
    documented = " ".join(re.findall(r"^(\w+(?:, \w+)*)$", section_of_parameters(text), re.MULTILINE))
    missing = set(inspect.signature(function).parameters) - set(re.findall(r"\w+", documented)) - {"self", "progress"}
    assert not missing


def section_of_parameters(text):
    found = re.search(r"^Parameters\n-+\n(.*?)(?:\n\n(?=\w+\n-+)|\Z)", text, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""
