"""A whole project in a temporary place: a clone of what git tracks, random tiny backbones, a corpus with markers.

The stages run by their real commands through DVC, in an environment of their own (home, temporary folder), so that
whatever they leave behind can be found.
"""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from support import ROOT, warm

WATCH = ROOT / "tests/support/watch"
MARKERS = tuple(start + end for start, end in (("zqvar", "nelbok"), ("wyxtrom", "lape")))
"""Words that stand in narratives and nowhere else, not even here in one piece: one for each of the two reports."""

OVERRIDES: dict[str, Any] = {
    "corpus": "marked",
    "demo_corpus": {"cases": 20, "new_cases": 2},
    "baseline": {"min_df": 1},
    "train": {"device": "cpu", "dtype": "float32", "threads": 1},
    "infer": {"device": "cpu", "dtype": "float32", "threads": 1, "chunk_cases": 5},
    "ensemble": {"resamples": 100},
}
# Rates so high that a few steps change decisions, or a rerun would end where nothing changed.
SC = {"backbone": "encoder", "max_tokens": 96, "epochs": 1, "batch_size": 4, "learning_rate": 5e-3}
AR = {"backbone": "decoder", "max_tokens": 160, "train_cases": 8, "batch_size": 4, "lora": {"rank": 2}}


@dataclass
class Project:
    """A working directory with git and DVC."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    log: str = ""
    """Everything that any command printed."""
    umask: int = 0o077
    """As the Makefile's recipes have it."""
    cold: bool = False
    """Whether every command starts an interpreter of its own, see `support.warm`."""

    @property
    def network(self) -> list[str]:
        """Every attempt of a Python process of this project to reach a network."""
        log = self.folder.parent / "network.log"
        return log.read_text(encoding="utf-8").splitlines() if log.exists() else []

    def options(self, cold: bool = False) -> dict[str, Any]:
        """Of `subprocess` for every command: the place, an environment of its own, the umask."""
        programs = [Path(sys.executable).parent, os.environ["PATH"]]
        programs[:0] = [] if cold or self.cold else [warm.folder()]
        environment = {"PATH": ":".join(map(str, programs)), "LANG": "C.UTF-8"}
        home, scratch = self.folder.parent / "home", self.folder.parent / "tmp"
        modules = [str(WATCH), *filter(None, [self.environment.get("PYTHONPATH")])]
        environment |= {"WATCH_NETWORK": str(self.folder.parent / "network.log")}
        environment |= {"DVC_SITE_CACHE_DIR": str(self.folder.parent / "site")}  # else it is /var/tmp/dvc
        home.mkdir(exist_ok=True)
        scratch.mkdir(exist_ok=True)
        environment |= {"HOME": str(home), "TMPDIR": str(scratch), "OMP_NUM_THREADS": "1"}
        environment |= {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        environment |= self.environment | {"PYTHONPATH": ":".join(modules)}
        return {"cwd": self.folder, "env": environment, "umask": self.umask}

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command in the project; returns what it printed, both streams."""
        done = subprocess.run(command, capture_output=True, text=True, check=False, **self.options())
        printed = done.stdout + done.stderr
        self.log += printed
        assert done.returncode == 0 or not check, f"{' '.join(command)} left with {done.returncode}:\n{printed}"
        return printed

    def ran(self, *command: str) -> list[str]:
        """Names of the stages that a DVC command ran, in order."""
        lines = self.run(*command).splitlines()
        return [line.split("'")[1] for line in lines if line.startswith("Running stage '")]

    def commit(self) -> None:
        """Commit everything that git does not ignore."""
        self.run("git", "add", "-A")
        self.run("git", "commit", "-qm", "Run the pipeline")

    def params(self) -> dict[str, Any]:
        return dict(yaml.safe_load((self.folder / "params.yaml").read_text(encoding="utf-8")))

    def write_params(self, content: dict[str, Any]) -> None:
        (self.folder / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Start a command in a process group of its own, to be killed as a whole; nothing that it prints is kept."""
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(command, start_new_session=True, **quiet, **self.options(cold=True))

    def made(self) -> dict[str, bytes]:
        """The bytes of every file that stages make from cases: tables, models, submission."""
        folders = ("data/prepared", "data/training", "data/predictions", "models")
        files = [path for name in folders for path in sorted((self.folder / name).rglob("*")) if path.is_file()]
        found = {path.relative_to(self.folder): path for path in files}
        hidden = {name for name in found if any(part.startswith(".") for part in name.parts)}  # half-written
        return {str(name): path.read_bytes() for name, path in found.items() if name not in hidden}

    def predictions(self) -> dict[str, bytes]:
        """The bytes of every table of predictions and of the submission."""
        folder = self.folder / "data/predictions"
        return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.*"))}


def create(folder: Path, hash_seed: str) -> Project:
    """A project ready for `dvc repro`; nothing has run yet."""
    project = Project(folder, {"PYTHONHASHSEED": hash_seed})
    folder.mkdir(parents=True)
    for name in subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_symlink():
            target.symlink_to((ROOT / name).readlink())
        elif (ROOT / name).is_file() and not name.startswith("metrics/") and name != "dvc.lock":
            target.write_bytes((ROOT / name).read_bytes())
    write_backbones(folder / "tiny")
    project.write_params(tiny_params(project.params(), folder / "tiny"))
    project.run("git", "init", "-q")
    project.run("git", "config", "user.email", "tests@localhost")
    project.run("git", "config", "user.name", "tests")
    (folder / ".git/info/exclude").write_text("/tiny/\n", encoding="utf-8")
    project.commit()
    return project


def finish(folder: Path, hash_seed: str = "1") -> Project:
    """A project that ran `dvc repro` from nothing and committed the result."""
    project = create(folder, hash_seed)
    import_corpus(project, cases=48, new=16, seed=5)
    project.run("dvc", "repro")
    project.commit()
    return project


def import_corpus(project: Project, cases: int, new: int, seed: int) -> None:
    """Import a made-up corpus whose narratives hold the markers."""
    source = project.folder / "tiny" / "corpus"
    write_corpus(source, cases, new, seed)
    project.run("python", "stages/import_corpus.py", "marked", str(source), "data/codebooks/nvdrs_youth.yaml")


def write_corpus(folder: Path, cases: int, new: int, seed: int) -> None:
    """Make up a corpus whose narratives hold the markers, as files to import."""
    from abstractor.data.cases import codebook
    from abstractor.data.demo.corpus import draw
    from abstractor.data.demo.settings import DemoCorpusParams

    book = codebook.load(ROOT / "data/codebooks/nvdrs_youth.yaml")
    made = draw(book, DemoCorpusParams(cases=cases, new_cases=new, words=50, noise=0.0, seed=seed))
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in made.items():
        if name.endswith("features"):
            for column, marker in zip(book.narratives, MARKERS, strict=True):
                table[column] = [f"{text} {marker}." if text else text for text in table[column]]
        table.to_csv(folder / f"{name}.csv")


def tiny_params(params: dict[str, Any], backbones: Path) -> dict[str, Any]:
    """The project's own parameters, with everything small."""
    for section, changes in OVERRIDES.items():
        params[section] = params[section] | changes if isinstance(changes, dict) else changes
    for name in ("sc1_minilm", "sc2_minilm"):
        params["models"][name] |= SC
    model = params["models"]["ar_smollm2"]
    model |= AR | {"lora": model["lora"] | AR["lora"]}
    params["backbones"] = {name: backbone(backbones / name) for name in ("encoder", "decoder")}
    params["writers"]["smollm2"]["backbone"] = "decoder"
    return params


def backbone(folder: Path) -> dict[str, str]:
    """A folder of this machine as params.yaml names it."""
    return {"source": "folder", "path": str(folder), "sha256": _folder_hash(folder)}


def write_backbones(folder: Path) -> None:
    """A random BERT and a random Llama with a tokenizer that knows no word of a narrative."""
    import torch
    from transformers import BertConfig, BertModel, LlamaConfig, LlamaForCausalLM

    fast = tokenizer()
    torch.manual_seed(0)
    shape: dict[str, Any] = {"vocab_size": len(fast), "hidden_size": 16, "intermediate_size": 32}
    shape |= {"num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 2048}
    for name, model in (
        ("encoder", BertModel(BertConfig(**shape))),
        ("decoder", LlamaForCausalLM(LlamaConfig(**shape))),
    ):
        model.save_pretrained(folder / name)
        fast.save_pretrained(folder / name)


def tokenizer() -> Any:
    """A byte-level tokenizer of a codebook's words, with a chat template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    special = ["<pad>", "<cls>", "<sep>", "<mask>", "<|im_start|>", "<|im_end|>"]
    text = (ROOT / "data/codebooks/nvdrs_youth.yaml").read_text(encoding="utf-8").splitlines()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    options = {"vocab_size": 900, "special_tokens": special, "initial_alphabet": alphabet, "show_progress": False}
    answers = [f": {word}" for word in ("Yes", "No", *"ABCDEFGHIJKL")]
    raw.train_from_iterator([*text, "\nYes\nNo\n"] * 3 + answers * 99, trainers.BpeTrainer(**options))
    fast = PreTrainedTokenizerFast(
        tokenizer_object=raw,
        pad_token="<pad>",
        cls_token="<cls>",
        sep_token="<sep>",
        mask_token="<mask>",
        eos_token="<|im_end|>",
    )
    fast.chat_template = (
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    return fast


def _folder_hash(folder: Path) -> str:
    from abstractor.base.messages.fetch import BackboneError
    from abstractor.models.fetch import FolderSource, fetch

    try:
        fetch("x", FolderSource(source="folder", path=str(folder), sha256=None), folder.with_suffix(".unused"))
    except BackboneError as error:
        return str(error).split("has sha256 ")[1].split(",")[0]
    raise AssertionError("a folder without a pinned hash was accepted")


def words_in(path: Path) -> bool:
    """Whether a marker stands in a file: in its bytes, or in the cells of a Parquet table."""
    content = path.read_bytes()
    if content[:4] == b"PAR1":
        content += pd.read_parquet(path).to_csv().encode()
    return any(marker.encode() in content for marker in MARKERS)


def holders(folder: Path) -> set[Path]:
    """Files below a folder that hold a marker."""
    return {path for path in folder.rglob("*") if path.is_file() and not path.is_symlink() and words_in(path)}


def outside(project: Project) -> set[Path]:
    """Files that hold a marker and should not: of the project, its home, temporary folders, what DVC keeps apart."""
    allowed = [project.folder / name for name in ("data", ".dvc/cache", "tiny")]
    everywhere = holders(project.folder.parent) | holders(warm.folder())
    return {path for path in everywhere if not any(path.is_relative_to(place) for place in allowed)}


def make(target: str, **variables: object) -> list[str]:
    """The command that runs a target of the Makefile in the environment there is."""
    return ["make", "-o", "setup", target, *(f"{name}={value}" for name, value in variables.items())]
