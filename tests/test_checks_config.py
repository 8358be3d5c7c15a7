"""A config file is judged as TorchServe's front end and its workers read it."""

from __future__ import annotations

import re
import tracemalloc
from pathlib import Path

import pytest

from model_archiver.checks.config import TORCHRUN_KEYS
from tests.conftest import Command, Result
from tests.steps import counted

PACK = ("--model-name", "m", "--handler", "handler.py", "--config-file", "config.yaml", "--dry-run")
BASE = ("--model-name", "m", "--handler", "base_handler", "--model-file", "model.py", *PACK[-3:])
YAML = "is not valid YAML:"
CHARACTER = "is not UTF-8, or has a character that YAML does not allow; remove it, or save the file as UTF-8"
MAPPING = "must be a mapping of settings; write each setting as key: value, with a space after the colon"
TAB = f"{YAML} this is a tab, and only spaces are allowed here (column {{}}); replace it with spaces"
OPEN = f"{YAML} this bracket or quote is not closed (column {{}}); close it"
SECOND = "a second document starts here (column 1); remove the line --- and what follows, or join the two"
TAG = "could not determine a constructor for the tag {} (column 4); remove the tag, or put the value into quotes"
BRACES = "a key must not be a list or a mapping (column 11); put a value that starts with { or [ into quotes"
MERGE = "expected a mapping or list of mappings for merging, but found scalar (column 5)"
KEY = "is not a string; put it into quotes"
IGNORED = "simplify it: the server ignores all settings of this file [config-invalid]"
VALUE = "as pt2, the handler does not load; write a backend, such as inductor, or compile: {enable: true} below it"
INTEGER = "an integer from {} to 2147483647, without quotes"
KINDS = "set parallelType to pp, tp, pptp or custom"
TORCHRUN = "add torchrun, with nproc-per-node and a number below it"
END = "set sequenceMaxIdleMSec to the number of milliseconds after which a sequence ends"
LARGER = "because minWorkers (3) is larger than 2; set maxWorkers to 3 or more"
SEQUENCES = "with sequenceBatching and without sequenceMaxIdleMSec, the server answers every request with an error"


@pytest.fixture
def judged(model: Path, run: Command):
    def judge(text: str | bytes, *words: object) -> Result:
        (model / "config.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
        return run(*(words or PACK))

    return judge


INVALID = [
    ("", f": {MAPPING}"),
    ("# batchSize: 4\n", f": {MAPPING}"),
    ("~\n", f":1: {MAPPING}"),
    ("\nbatchSize:4\n", f":2: {MAPPING}"),
    ("- batchSize: 4\n", f":1: {MAPPING}"),
    ("batchSize: 4\n\tmaxBatchDelay: 10\n", f":2: {YAML} this line is indented with a tab (column 1); use spaces"),
    ("batchSize: 4\t# four\n", f":1: {TAB.format(13)}"),
    ("a: 1\ndeviceIds: [0, 1\n", f":2: {OPEN.format(12)}"),
    ("a: 'b\n", f":1: {OPEN.format(4)}"),
    ("handler: a: b\n", f":1: {YAML} mapping values are not allowed here (column 11)"),
    ("handler: {d: 2001-13-45}\n", f":1: {YAML} month must be in 1..12 (column 14)"),
    ("a: *b\n", f":1: {YAML} found undefined alias 'b' (column 4)"),
    ("a: 1\n---\nb: 2\n", f":2: {YAML} {SECOND}"),
    ("handler: {{ name }}\n", f":1: {YAML} {BRACES}"),
    ("a: !!python/tuple [1]\n", f":1: {YAML} {TAG.format(repr('tag:yaml.org,2002:python/tuple'))}"),
    ("a: !env HOME\n", f":1: {YAML} {TAG.format(repr('!env'))}"),
    ("a: !!bool maybe\n", f":1: {YAML} not a value of tag:yaml.org,2002:bool (column 4)"),
    ("a: !!timestamp foo\n", f":1: {YAML} not a value of tag:yaml.org,2002:timestamp (column 4)"),
    ("<<: 3\n", f":1: {YAML} {MERGE}"),
    ("a: 1\nb: x\x01\n", f":2: {CHARACTER}"),
    ("a: 1\nb: grün\n".encode("latin-1"), f":2: {CHARACTER}"),
    ("batchSize: 4\n".encode("utf-16"), f":1: {CHARACTER}"),
    ("a: 1\n5: b\n", f":2: the key 5 {KEY}"),
    ("on: 1\n", f":1: the key true {KEY}"),
    ("~: 1\n", f":1: the key null {KEY}"),
    ("0: cat\n1: dog\n2: cow\n", f":1: the key 0 {KEY}"),
    ("parallelType: pp\ntorchrun:\n  2: a\n", f":3: the key 2 {KEY}"),
]


@pytest.mark.parametrize(("text", "line"), INVALID)
def test_a_file_that_the_server_rejects(judged, text: str | bytes, line: str) -> None:
    result = judged(text)
    assert (result.status, result.errors, result.warnings) == (1, [f"config.yaml{line} [config-invalid]"], [])


WRONG = {
    INTEGER.format(1): "minWorkers: 0; batchSize: '4'; batchSize: 4.0; batchSize: [4]; responseTimeout: 0",
    INTEGER.format(0): "maxBatchDelay: -1; clientTimeoutInMills: 3000000000; parallelLevel: 'a'",
    "true or false, without quotes": "useVenv: 'true'; useVenv: 1",
    "cpu or gpu": "deviceType: 'cuda'; deviceType: 0",
    "pp or tp or pptp or custom": "parallelType: 'none'; parallelType: []",
    "a list of integers, such as [0, 1]": "deviceIds: 0; deviceIds: [0, '1']; deviceIds: ['x', true, 0.5]",
    "its settings below it, indented, such as nproc-per-node: 2": "torchrun: 2; torchrun: 'x'",
}
VALUES = [
    *(
        (text, 1, re.sub(r"\[.*\]", "a list", text.replace(":", " is")), wanted)
        for wanted, texts in WRONG.items()
        for text in texts.split("; ")
    ),
    ("\nbatchSize: yes\n", 2, "batchSize is true", INTEGER.format(1)),
    ("batchSize: 08\n", 1, "batchSize is '08'", INTEGER.format(1)),
    ("batchSize:\n", 1, "batchSize is empty", INTEGER.format(1)),
    ("batchSize: {a: 4}\n", 1, "batchSize is a mapping", INTEGER.format(1)),
    (f"batchSize: {'1' * 900}\n", 1, f"batchSize is {'1' * 40}...", INTEGER.format(1)),
    ("parallelType: pp\ntorchrun:\n  nnodes: a\n", 3, "nnodes is 'a'", INTEGER.format(1)),
    ("parallelType: pp\ntorchrun:\n  rdzv-endpoint: 9\n", 3, "rdzv-endpoint is 9", "a string, in quotes"),
]
MISSPELT = {
    "batchSize": "batch_size BatchSize batchsize batch-size BATCH_SIZE batchSzie batchSiz",
    "minWorkers": "MinWorker min_workers",
    "responseTimeout": "responseTimout respnseTimout",
    "deviceIds": "deviceID",
    "parallelType": "paralelType",
    "torchrun": "torch_run",
    "clientTimeoutInMills": "clientTimeoutInMillis",
    "continuousBatching": "continousBatching",
    "nproc-per-node": "nproc_per_node",
    "OMP_NUMBER_THREADS": "OMP_NUM_THREADS",
    "nnodes": "nnode",
}
COMBINATIONS = [
    ("minWorkers: 1\n", "1: the server ignores minWorkers without maxWorkers; set maxWorkers too"),
    ("maxWorkers: 1\n", "1: the server ignores maxWorkers without minWorkers; set minWorkers too"),
    ("minWorkers: 3\nmaxWorkers: 2\n", f"2: the server ignores minWorkers and maxWorkers, {LARGER}"),
    ("parallelType: PP\n", f"1: parallelType pp does not work without torchrun; {TORCHRUN}"),
    ("parallelLevel: 2\n", f"1: the server ignores parallelLevel without parallelType; {KINDS}"),
    ("torchrun:\n  nnodes: 2\n", f"1: the server ignores torchrun without parallelType; {KINDS}"),
]
WARNINGS = [
    ("a: " + "[" * 60 + "]" * 60, f"1: is nested more than 50 levels deep; {IGNORED}"),
    (f"a: &a [1]\nb: [{'*a, ' * 51}]\n", f"2: refers to lists or mappings more than 50 times (*name); {IGNORED}"),
    *(
        (text, f"{line}: {what}, which the server does not accept; write {wanted} [config-value]")
        for text, line, what, wanted in VALUES
    ),
    *((text, f"{line} [config-combination]") for text, line in COMBINATIONS),
    *(
        (f"{before}{key}: 4\n", f"{line}: unknown key {key!r}; did you mean {meant!r}? [config-unknown-key]")
        for meant, keys in MISSPELT.items()
        for key in keys.split()
        for line, before in [(3, "parallelType: tp\ntorchrun:\n  ") if meant in TORCHRUN_KEYS else (1, "")]
    ),
    ('"\\ud800batchSize": 1', r"1: unknown key '\ud800batchSize'; did you mean 'batchSize'? [config-unknown-key]"),
]


@pytest.mark.parametrize(("text", "line"), WARNINGS)
def test_a_setting_that_the_server_ignores(judged, text: str, line: str) -> None:
    result = judged(text)
    assert (result.status, result.errors, result.warnings) == (0, [], [f"config.yaml:{line}"])


ERRORS = [
    ("pt2:\n", f"1: with empty {VALUE} [config-value]"),
    ("pt2: yes\n", f"1: with true {VALUE} [config-value]"),
    ("pt2: compile\n", f"1: with 'compile' {VALUE} [config-value]"),
    ("pt2: [compile, export]\n", f"1: with a list {VALUE} [config-value]"),
    ("pt2:\n  compile: inductor\n", f"1: with a mapping {VALUE} [config-value]"),
    ("pt2: {compile: {}}\n", f"1: with a mapping {VALUE} [config-value]"),
    (
        "parallelType: tp\nparallelLevel: 2\n",
        f"1: parallelType tp does not work without torchrun; {TORCHRUN} [config-combination]",
    ),
    ("sequenceBatching: true\n", f"1: {SEQUENCES}; {END} [config-combination]"),
]


@pytest.mark.parametrize(("text", "line"), ERRORS)
def test_a_setting_with_which_nothing_is_served(judged, text: str, line: str) -> None:
    result = judged(text, *BASE)
    assert (result.status, [error for error in result.errors if "config" in error]) == (1, [f"config.yaml:{line}"])
    assert "pt2" not in judged(text).err  # a custom handler may read it in its own way


def test_every_problem_is_reported_once(judged) -> None:
    result = judged("batch_size: 4\nresponseTimeout: soon\n3: x\nmaxWorkers: 2\nmin_workers: 1\nparallelLevel: 2\n")
    reported = sorted(line.split(":")[1] + line[line.index(" [") :] for line in (*result.errors, *result.warnings))
    assert reported == [
        "1 [config-unknown-key]",
        "2 [config-value]",
        "3 [config-invalid]",
        "5 [config-unknown-key]",  # so maxWorkers without minWorkers is not reported
        "6 [config-combination]",
    ]


KEYS_OF_HANDLERS = """
 handler pippy deepspeed dali micro_batching model tokenizer max_length batch device dtype max_batch_size num_workers
 compile workers timeout model_path model_name max_new_tokens rank world_size stream mode task num_labels save_mode
 model_parallel vllm_engine_config trt_llm_engine max_input_length chunk_size num_beams devices device_map device_index
 gpus batching batch_timeout queue_size max_queue_size request_timeout idle_timeout retry parallel parallel_size
 tensor_parallel_size pipeline_parallel_size parallelism parallel_mode max_num_seqs num_sequences sequence_length
 max_sequence_length sequences max_workers_per_node response_format client clients startup async venv jobs ticket
 preprocess input_size output_dir version tp_degree maxSequence warmup start_up timeout_s batches typeDevice level
"""
SERVED = [
    '{"batchSize": 4, "maxBatchDelay": 100}\n',
    "%YAML 1.2\n---\nbatchSize: 4\n...\n",
    "\ufeffbatchSize: 4\r\nmaxBatchDelay: 0\r\n",
    "batchSize: 010\nmaxBatchDelay: 0x10\nresponseTimeout: 1_000\nstartupTimeout: 1:30\njobQueueSize: +4\n",
    "continuousBatching: yes\nuseJobTicket: off\nasyncCommunication: TRUE\nbatchSize: 1\nbatchSize: !!int '4'\n",
    "base: &base\n  minWorkers: 1\n  maxWorkers: 2\n<<: *base\nbatchSize: &count 2\nmaxBatchDelay: *count\n",
    "a: &a [*a]\nb: &b {c: *b}\n",
    "deviceType: GPU\ndeviceIds: [0, 1]\nparallelType: Custom\nparallelLevel: 2\n",
    "deviceType: ''\nparallelType: ''\ndeviceIds: []\nparallelLevel: 0\n",
    "parallelType: pp\ntorchrun: {nnodes: 1, nproc-per-node: 2, rdzv-backend: c10d, max-restarts: 3}\n",
    "sequenceBatching: true\nsequenceMaxIdleMSec: 1000\nmaxNumSequence: 4\n",
    "handler:\n  1: one\n  on: 2\n  date: 2001-01-01\n  nested: !!set {a, b}\n  data: !!binary aGVsbG8=\n",
    "handler:\n  batch_size: 4\n  max_workers: 2\n",
    "batch_size: 4\nbatchSize: 2\n",  # beside the server's key, it is the handler's own
    *(f"pt2: {value}\n" for value in ("inductor", "{compile: {enable: false}}", "{export: {}}", "{backend: inductor}")),
    "x: " + "[" * 48 + "]" * 48 + "\n",
    "text: |\n  one\n   two: three: four\n  {{ jinja }}\n",
    *("".join(f"{key}: 4\n" for key in KEYS_OF_HANDLERS.split()[start::3]) for start in range(3)),
    "".join(f"minWorker{chr(0x100 + number)}: 1\n" for number in range(490)),  # a table of the handler's
]


@pytest.mark.parametrize("text", SERVED)
@pytest.mark.parametrize("words", [PACK, BASE])
def test_no_problem_in_a_file_that_serves(judged, text: str, words: tuple[str, ...]) -> None:
    assert "[config" not in judged(text, *words).err


def test_a_key_that_the_handler_may_read_is_not_unknown(judged, model: Path) -> None:
    (model / "handler.py").write_text("def handle(data, context):\n    return context['batch_size'], 'max_workers2'\n")
    assert judged("batch_size: 1\nmax_workers2: 1\nmax_workers: 1\nmin-workers: 1\n").warnings == [
        "config.yaml:4: unknown key 'min-workers'; did you mean 'minWorkers'? [config-unknown-key]"
    ]
    (model / "folder").mkdir()
    (model / "folder" / "notes.txt").write_text("none")
    installed = ("--model-path", "folder", "--handler", "installed.handler")
    lsp = ("--runtime", "LSP", "--serialized-file", "model.pt")
    for handler, count in ((installed, 0), (lsp, 0), (("--handler", "vllm_handler"), 1)):
        assert judged("batch_size: 4\n", "--model-name", "m", *handler, *PACK[-3:]).err.count("[config") == count


MERGES = [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 3)}]}}\n" for n in range(1, 17)]
LARGE = {
    "merges": "a0: &a0 {k: 1}\n" + "".join(MERGES),
    "lists": "x: " + "[" * 5000,
    "siblings": ", ".join(["x: [[]"] + ["[]"] * 2000),
    "sixties": "x: 1" + ":59" * 30_000 + "\n",
    "keys": "".join(f"responseTimeou{n}: 1\n" for n in range(1000)),
    "numbers": "".join(f"{n}: 1\n" for n in range(1000)),
    "letters": "x: " + "a" * 100_000 + "\n? batch" + "-" * 20_000 + "Size\n: 1\n",
    "tag": "x: !" + "y" * 100_000 + " 1\n",
    "alias": "x: *" + "y" * 100_000 + "\n",
    "bytes": "a: &a [*a]\n" + "#" * (1 << 22),
}


@pytest.mark.parametrize("kind", LARGE)
def test_a_large_file_takes_few_steps_and_one_line(judged, kind: str) -> None:
    """Count calls and bytes: without bounds, each of these takes minutes or all memory."""
    tracemalloc.start()
    result, steps = counted(lambda: judged(LARGE[kind]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert steps < 1_500_000
    assert peak < 20_000_000
    lines = [line for line in (*result.errors, *result.warnings) if "[config" in line]
    assert len(lines) <= 1
    assert all(len(line) < 400 for line in lines)
