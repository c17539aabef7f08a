"""The parameters of masked-language-model training."""

from pathlib import Path

from support import ROOT

from abstractor.base.params import Params
from abstractor.base.yaml_file import read_yaml
from abstractor.training.mlm.settings import MlmParams


def test_the_example_in_params_yaml_and_what_stands_there_bind(tmp_path: Path) -> None:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    example = text.split("For example\n")[1].split("\nmlm:")[0]
    (tmp_path / "example.yaml").write_text(example.replace("\n#", "\n").removeprefix("#"), encoding="utf-8")
    params = Params(ROOT / "params.yaml", ROOT / "dvc.yaml")
    for content in (*read_yaml(tmp_path / "example.yaml")["mlm"].values(), *params.get("mlm", dict).values()):
        MlmParams(**content)
