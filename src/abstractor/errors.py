"""The errors that a user can cause, and the handler at the top of every script.

UserError                 something outside the code is wrong; exit code 2
├── params.ParamsError        params.yaml
├── codebook.CodebookError    a codebook file
├── corpus.CorpusError        cases or labels
├── folds.FoldsError          folds or a slice that the cases are too few for
├── predictions.PredictionsError   a table of predictions
├── demo.corpus.DemoError     a codebook that the made-up corpus is not for
├── backbones.BackboneError   a pretrained model
├── baseline.BaselineError    cases without a word that the baseline could use
├── crossfit.TooFewCasesError   too few cases for an honest score
├── ensemble.submission.SubmissionError   the submission or its format
├── ar.prompts.PromptError    tokenizer, chat template and codebook do not fit together
├── ar.model.ModelError       a language model cannot do what params.yaml asks
└── runs.RunError             the machine, the seed, the training

Each class lives in the module that raises it.
"""

import os
import sys
import traceback
from collections.abc import Callable


class UserError(Exception):
    """Says what was expected, what was found and what to do; never quotes a narrative."""


def run_script(main: Callable[[], None]) -> None:
    """Run a script's `main`; leave with 0, with 2 on a `UserError`, with 1 on anything else.

    An unexpected exception may carry case text in its message (a parser quotes what it
    choked on), so only its type and the places it came through are printed.
    Every file the script writes is readable by its owner only.
    """
    os.umask(0o077)
    try:
        main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except Exception as error:
        print(f"internal error: {type(error).__name__} (message withheld: it may hold case text)", file=sys.stderr)
        for frame in traceback.extract_tb(error.__traceback__):
            print(f"  {frame.filename}:{frame.lineno} in {frame.name}", file=sys.stderr)
        sys.exit(1)
