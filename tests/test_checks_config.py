"""A config file is judged as TorchServe's front end and its workers read it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.conftest import Command, Result

PACK = ("--model-name", "m", "--handler", "handler.py", "--config-file", "config.yaml")
CLOSE = "mend it: a worker cannot read the file"
NO_SETTINGS = ": holds no settings, which ends the registration; write some, or leave it out (--config-file)"
BACKEND = "write a backend, such as inductor, or compile: with enable: and backend: below it"
WHOLE = "a whole number from {} to 2147483647, without quotes"
IGNORED = "simplify it: the server ignores all settings of such a file"


@pytest.fixture
def judged(model: Path, run: Command):
    """What is said of a config file."""

    def judge(text: str | bytes, *words: object) -> Result:
        (model / "config.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
        return run(*(words or PACK), "--dry-run")

    return judge


INVALID = [
    ("", NO_SETTINGS),
    ("# batchSize: 4\n", NO_SETTINGS),
    ("~\n", NO_SETTINGS),
    (
        "\nbatchSize:4\n",
        ":2: is a single value and no map of settings, which ends the registration; write each setting on a line of"
        " its own as key: value, with a blank after the colon",
    ),
    (
        "- batchSize: 4\n",
        ":1: is a list and no map of settings, which ends the registration; write each setting on a line of"
        " its own as key: value, with a blank after the colon",
    ),
    (
        "batchSize: 4\n\tmaxBatchDelay: 10\n",
        ":2: is not YAML: a tab stands where YAML allows blanks only (column 1); replace it by blanks",
    ),
    (
        "batchSize: 4\t# four\n",
        ":1: is not YAML: a tab stands where YAML allows blanks only (column 13); replace it by blanks",
    ),
    ("a: 1\ndeviceIds: [0, 1\n", ":2: is not YAML: what is opened here is not closed (column 12); close the bracket"),
    ("handler: a: b\n", f":1: is not YAML: mapping values are not allowed here (column 11); {CLOSE}"),
    (
        "handler: {d: 2001-13-45}\n",
        f":1: is not YAML: month must be in 1..12 (column 14); {CLOSE}",
    ),
    ("a: *b\n", f":1: is not YAML: found undefined alias 'b' (column 4); {CLOSE}"),
    (
        "a: &x 1\nb: &x 2\n",
        ":2: is not YAML: the anchor (&name) is there already (column 4); give it another name",
    ),
    (
        "a: 1\n---\nb: 2\n",
        ":2: is not YAML: a second document begins (column 1); leave out the line ---"
        " and what follows, or join the two",
    ),
    (
        "handler: {{ name }}\n",
        ":1: is not YAML: a key is a list or a map (column 11); put what begins with { or [ into quotes",
    ),
    (
        "a: !!python/object/apply:os.system [echo]\n",
        ":1: is not YAML: no value has the tag 'tag:yaml.org,2002:python/object/apply:os.system' (column 4);"
        " leave the tag out, or put the value into quotes",
    ),
    (
        "a: !env HOME\n",
        ":1: is not YAML: no value has the tag '!env' (column 4); leave the tag out, or put the value into quotes",
    ),
    ("a: !!bool maybe\n", f":1: is not YAML: this is no value of the tag 'tag:yaml.org,2002:bool' (column 4); {CLOSE}"),
    ("a: !!int\n", f":1: is not YAML: this is no value of the tag 'tag:yaml.org,2002:int' (column 4); {CLOSE}"),
    (
        "a: 1\n!!omap b: 2\n",
        ":2: is not YAML: a key is a list or a map (column 1); put what begins with { or [ into quotes",
    ),
    ("<<: 3\n", f":1: is not YAML: << wants a map (column 5); {CLOSE}"),
    ("a: 1\nb: x\x01\n", ":2: has a character that YAML does not allow (U+0001); remove it"),
    ("a: 1\nb: grün\n".encode("latin-1"), ":2: is not UTF-8, which a worker cannot read; save it as UTF-8"),
    ("batchSize: 4\n".encode("utf-16"), ":1: is not UTF-8, which a worker cannot read; save it as UTF-8"),
    ("a: 1\n5: b\n", ":2: the key 5 is no text, which ends the registration; put it into quotes"),
    ("on: 1\n", ":1: the key true is no text, which ends the registration; put it into quotes"),
    ("~: 1\n", ":1: the key null is no text, which ends the registration; put it into quotes"),
]


@pytest.mark.parametrize(("text", "line"), INVALID)
def test_what_no_server_reads_is_refused(judged, text: str | bytes, line: str) -> None:
    result = judged(text)
    assert (result.status, result.errors) == (1, [f"config.yaml{line} [config-invalid]"])


def test_a_key_of_torchrun_that_is_no_text_is_refused(judged) -> None:
    result = judged("parallelType: pp\ntorchrun:\n  nproc-per-node: 2\n  2: a\n")
    text = "config.yaml:4: the key 2 is no text, which ends the registration; put it into quotes [config-invalid]"
    assert result.errors == [text]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: " + "[" * 60 + "]" * 60, f":1: is nested more than 50 levels deep; {IGNORED}"),
        (
            "a: &a [1]\nb: [" + ", ".join(["*a"] * 51) + "]\n",
            f":2: refers to lists or maps more than 50 times (*name); {IGNORED}",
        ),
    ],
)
def test_what_the_front_end_leaves_unread_is_a_warning(judged, text: str, line: str) -> None:
    result = judged(text)
    assert (result.status, result.warnings) == (0, [f"config.yaml{line} [config-invalid]"])


VALUES = [
    ("minWorkers: 0\nmaxWorkers: 1\n", "1: minWorkers is 0", WHOLE.format(1)),
    ("batchSize: '4'\n", "1: batchSize is '4'", WHOLE.format(1)),
    ("batchSize: 4.0\n", "1: batchSize is 4.0", WHOLE.format(1)),
    ("batchSize: yes\n", "1: batchSize is true", WHOLE.format(1)),
    ("batchSize: 08\n", "1: batchSize is '08'", WHOLE.format(1)),
    ("batchSize:\n", "1: batchSize is empty", WHOLE.format(1)),
    ("batchSize: [4]\n", "1: batchSize is [4]", WHOLE.format(1)),
    ("batchSize: {a: 4}\n", "1: batchSize is a map", WHOLE.format(1)),
    ("\nresponseTimeout: 0\n", "2: responseTimeout is 0", WHOLE.format(1)),
    ("maxBatchDelay: -1\n", "1: maxBatchDelay is -1", WHOLE.format(0)),
    ("clientTimeoutInMills: 3000000000\n", "1: clientTimeoutInMills is 3000000000", WHOLE.format(0)),
    ("deviceType: cuda\n", "1: deviceType is 'cuda'", "cpu or gpu"),
    ("deviceIds: 0\n", "1: deviceIds is 0", "a list of whole numbers, such as [0, 1]"),
    ("deviceIds: [0, '1']\n", "1: deviceIds is [0, '1']", "a list of whole numbers, such as [0, 1]"),
    ("deviceIds: [[0]]\n", "1: deviceIds is [a list]", "a list of whole numbers, such as [0, 1]"),
    ("parallelType: none\n", "1: parallelType is 'none'", "pp or tp or pptp or custom"),
    ("useVenv: 'true'\n", "1: useVenv is 'true'", "true or false, without quotes"),
    ("useVenv: 1\n", "1: useVenv is 1", "true or false, without quotes"),
    ("torchrun: 2\n", "1: torchrun is 2", "its settings below it, indented, such as nproc-per-node: 2"),
    (
        "parallelType: pp\ntorchrun:\n  nproc-per-node: gpu\n",
        "3: nproc-per-node is 'gpu'",
        WHOLE.format(1),
    ),
    ("parallelType: pp\ntorchrun:\n  rdzv-endpoint: 29400\n", "3: rdzv-endpoint is 29400", "a text"),
]


@pytest.mark.parametrize(("text", "what", "wanted"), VALUES)
def test_a_value_that_the_server_does_not_take(judged, text: str, what: str, wanted: str) -> None:
    result = judged(text)
    line = f"config.yaml:{what}, which the server does not take; write {wanted} [config-value]"
    assert (result.status, result.warnings) == (0, [line])


PT2 = [
    ("pt2:\n", "1: pt2 is empty", BACKEND),
    ("pt2: yes\n", "1: pt2 is true", BACKEND),
    ("pt2: compile\n", "1: pt2 is 'compile'", BACKEND),
    ("pt2:\n  compile: inductor\n", "2: compile is 'inductor'", "write enable: true below it, indented"),
    ("pt2:\n  compile:\n    backend: inductor\n", "2: compile has no enable", "write enable: true, or false, below it"),
]


@pytest.mark.parametrize(("text", "what", "hint"), PT2)
def test_a_pt2_with_which_base_handler_does_not_load(judged, text: str, what: str, hint: str) -> None:
    words = (
        "--model-name",
        "m",
        "--handler",
        "base_handler",
        "--config-file",
        "config.yaml",
        "--model-file",
        "model.py",
    )
    result = judged(text, *words)
    line = f"config.yaml:{what}, with which the handler does not load; {hint} [config-value]"
    assert (result.status, [error for error in result.errors if "config" in error]) == (1, [line])
    assert judged(text).errors == []


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        *[(key, "batchSize") for key in ("batch_size", "BatchSize", "batchsize", "batch-size", "BATCH_SIZE")],
        *[("batchSzie", "batchSize"), ("batchSiz", "batchSize"), ("max_workers", "maxWorkers")],
        *[("MinWorker", "minWorkers"), ("responseTimout", "responseTimeout"), ("respnseTimout", "responseTimeout")],
        *[("deviceID", "deviceIds"), ("paralelType", "parallelType"), ("torch_run", "torchrun")],
        *[("clientTimeoutInMillis", "clientTimeoutInMills"), ("continousBatching", "continuousBatching")],
    ],
)
def test_a_key_that_is_almost_one_of_the_server(judged, key: str, meant: str) -> None:
    result = judged(f"{key}: 4\n")
    line = f"config.yaml:1: the server ignores {key!r}; did you mean {meant}? [config-unknown-key]"
    assert (result.status, result.warnings) == (0, [line])


@pytest.mark.parametrize(
    ("key", "meant"),
    [("nproc_per_node", "nproc-per-node"), ("OMP_NUM_THREADS", "OMP_NUMBER_THREADS"), ("nnode", "nnodes")],
)
def test_a_key_that_is_almost_one_of_torchrun(judged, key: str, meant: str) -> None:
    result = judged(f"parallelType: tp\ntorchrun:\n    {key}: 4\n")
    line = f"config.yaml:3: the server ignores {key!r}; did you mean {meant}? [config-unknown-key]"
    assert result.warnings == [line]


KEYS_OF_HANDLERS = """
 handler pippy deepspeed dali micro_batching model tokenizer max_length batch device dtype max_batch_size num_workers
 compile workers timeout model_path model_name model_dir max_new_tokens temperature hf_token rank world_size quantize
 stream_output stream max_tokens top_k top_p repetition_penalty manual_seed seed mapping_file mode task
 do_lower_case num_labels save_mode pretrained captum_explanation embedding_name BERTQA_model
 FasterTransformer model_parallel vllm_engine_config adapters trt_llm_engine generate_kwargs
 max_input_length chunk_size chunks num_beams devices device_map device_index gpus use_cuda cache_dir
 checkpoint checkpoints fast_kernels paged_attention_kernel converted_ckpt_dir tokenizer_path inference_config
 onnx opset engine precision fp16 bf16 image_size threshold labels batching batch_timeout queue_size max_queue_size
 request_timeout idle_timeout retry parallel parallel_size tensor_parallel_size pipeline_parallel_size parallelism
 parallel_mode max_num_seqs num_sequences sequence_length max_sequence_length sequences max_workers_per_node
 response_format client clients startup async venv jobs ticket metrics logging log_level explain preprocess
 postprocess input_size output_dir kwargs options version description author tp_degree amp neuronx maxSequence
 beta alpha epsilon warmup warmup_steps start_up timeout_s batches sizes typeDevice level
"""


def test_the_keys_of_handlers_are_their_own(judged) -> None:
    keys = KEYS_OF_HANDLERS.split()
    assert len(keys) >= 100
    assert "[config" not in judged("".join(f"{key}: 4\n" for key in keys)).err


def test_a_key_that_the_handler_reads_is_its_own(judged, model: Path) -> None:
    (model / "handler.py").write_text(
        "def handle(data, context):\n    return context.model_yaml_config['batch_size']\n"
    )
    assert judged("batch_size: 4\n").warnings == []


def test_a_key_that_an_installed_handler_may_read_is_its_own(judged, model: Path) -> None:
    (model / "folder").mkdir()
    (model / "folder" / "notes.txt").write_text("none")
    words = (
        "--model-name",
        "m",
        "--model-path",
        "folder",
        "--handler",
        "installed.handler",
        "--config-file",
        "config.yaml",
    )
    assert "[config" not in judged("batch_size: 4\n", *words).err
    assert "[config" in judged("batch_size: 4\n", "--model-name", "m", "--handler", "vllm_handler", *words[-2:]).err


def test_a_key_beside_the_one_that_it_is_almost_is_the_handlers(judged) -> None:
    assert judged("batch_size: 4\nbatchSize: 2\n").warnings == []


COMBINATIONS = [
    ("minWorkers: 1\n", "warning", "1: the server ignores minWorkers without maxWorkers; set maxWorkers too"),
    ("maxWorkers: 1\n", "warning", "1: the server ignores maxWorkers without minWorkers; set minWorkers too"),
    (
        "minWorkers: 3\nmaxWorkers: 2\n",
        "warning",
        "2: the server ignores both minWorkers, 3, and maxWorkers, 2, for the first is the larger;"
        " set maxWorkers to no less than minWorkers",
    ),
    (
        "parallelType: PP\n",
        "warning",
        "1: the server ignores parallelType pp without torchrun;"
        " add torchrun, with nproc-per-node: and a number below it",
    ),
    (
        "parallelType: tp\nparallelLevel: 2\n",
        "error",
        "1: no worker starts with parallelType tp and without torchrun;"
        " add torchrun, with nproc-per-node: and a number below it",
    ),
    (
        "parallelLevel: 2\n",
        "warning",
        "1: the server ignores parallelLevel without parallelType; set parallelType to pp, tp, pptp or custom",
    ),
    (
        "torchrun:\n  nproc-per-node: 2\n",
        "warning",
        "1: the server ignores torchrun without parallelType; set parallelType to pp, tp, pptp or custom",
    ),
    (
        "sequenceBatching: true\ncontinuousBatching: true\n",
        "error",
        "1: no request is answered with sequenceBatching and without sequenceMaxIdleMSec;"
        " set sequenceMaxIdleMSec to the milliseconds after which a sequence ends",
    ),
]


@pytest.mark.parametrize(("text", "level", "line"), COMBINATIONS)
def test_settings_that_do_not_work_together(judged, text: str, level: str, line: str) -> None:
    result = judged(text)
    said = {"warning": result.warnings, "error": result.errors}
    assert said.pop(level) == [f"config.yaml:{line} [config-combination]"]
    assert list(said.values()) == [[]]


def test_everything_that_is_wrong_is_told_in_the_order_of_the_file(judged) -> None:
    result = judged("batch_size: 4\nresponseTimeout: soon\n3: x\nmaxWorkers: 2\nmin_workers: 1\nparallelLevel: 2\n")
    told = [line.split(":")[1] + line[line.index(" [") :] for line in (*result.errors, *result.warnings)]
    assert told == [
        "3 [config-invalid]",
        "1 [config-unknown-key]",
        "2 [config-value]",
        "5 [config-unknown-key]",  # and so no word of maxWorkers without minWorkers
        "6 [config-combination]",
    ]


SERVES = [
    "{}\n",
    '{"batchSize": 4, "maxBatchDelay": 100}\n',
    "---\nbatchSize: 4\n...\n",
    "%YAML 1.2\n---\nbatchSize: 4\n",
    "\ufeffbatchSize: 4\r\nmaxBatchDelay: 0\r\n",
    "batchSize: 010\nmaxBatchDelay: 0x10\nresponseTimeout: 1_000\nstartupTimeout: 1:30\njobQueueSize: +4\n",
    "continuousBatching: yes\nuseJobTicket: off\nasyncCommunication: TRUE\n",
    "batchSize: 1\nbatchSize: 2\n",
    "batchSize: !!int '4'\n",
    "base: &base\n  minWorkers: 1\n  maxWorkers: 2\n<<: *base\n",
    "minWorkers: &count 2\nmaxWorkers: *count\n",
    "a: &a [*a]\nb: &b {c: *b}\n",
    "deviceType: GPU\ndeviceIds: [0, 1]\nparallelType: Custom\nparallelLevel: 2\n",
    "deviceType: ''\nparallelType: ''\ndeviceIds: []\nparallelLevel: 0\n",
    "parallelType: pp\nparallelLevel: 2\ntorchrun:\n  nnodes: 1\n  nproc-per-node: 2\n  OMP_NUMBER_THREADS: 1\n"
    "  rdzv-backend: c10d\n  max-restarts: 3\n",
    "sequenceBatching: true\nsequenceMaxIdleMSec: 1000\nmaxNumSequence: 4\n",
    "sequenceMaxIdleMSec: 1000\ncontinuousBatching: true\n",
    "handler:\n  1: one\n  on: 2\n  date: 2001-01-01\n  nested: !!set {a, b}\n  data: !!binary aGVsbG8=\n",
    "handler:\n  batch_size: 4\n  max_workers: 2\n",
    "pt2: inductor\n",
    "pt2:\n  compile:\n    enable: True\n    backend: inductor\n    mode: reduce-overhead\n",
    "pt2:\n  compile: {enable: false}\n",
    "pt2:\n  export:\n    aot_compile: true\n",
    "pt2: {backend: inductor, mode: reduce-overhead}\n",
    "x: " + "[" * 48 + "]" * 48 + "\n",
    "text: |\n  one\n   two: three: four\n  {{ jinja }}\n",
]


@pytest.mark.parametrize("text", SERVES)
def test_what_serves_is_no_matter(judged, text: str) -> None:
    result = judged(text)
    assert (result.status, result.err.count("[config")) == (0, 0), result.err


def test_a_bomb_does_no_harm(judged) -> None:
    levels = [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 7)}]}}\n" for n in range(1, 8)]
    begin = time.monotonic()
    assert judged("a0: &a0 {k: lol}\n" + "".join(levels) + "<<: *a7\n").err.count("[config") == 0
    assert "50 levels" in judged("x: " + "[" * 60_000).err
    assert "50 levels" in judged("x: " + "{a: " * 20_000).err
    judged(", ".join(["x: [[]"] + ["[]"] * 20_000))
    assert "[config" not in judged("x: 1" + ":59" * 30_000 + "\n").err
    assert "[config" not in judged("".join(f"responseTimeou{n}: 1\n" for n in range(5000))).err
    assert "batchSize is 1111111111111111111111111111111111111..., which" in judged(f"batchSize: {'1' * 900}\n").err
    assert judged(b"a: &a [*a]\n" + b"#" * (1 << 22)).err.count("[config") == 0
    assert time.monotonic() - begin < 30


def test_mms_and_lsp_have_nothing_to_do_with_it(judged) -> None:
    words = ("--model-name", "m", "--runtime", "LSP", "--config-file", "config.yaml", "--serialized-file", "model.pt")
    assert "[config" not in judged("", *words).err
