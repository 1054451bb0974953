"""`fer export`: a checkpoint as an ONNX file, and what its 8-bit form costs."""

from pathlib import Path

from rich.console import Console

from modeling_fer.exporting.export import Export, export_checkpoint
from modeling_fer.inference.loading import load_checkpoint

PARTS = {
    "test": "split test",
    "validation": "split validation",
    "all": "all splits, which the range of values was learned from too",
}
"""What the splits of `Export` are called in a sentence."""


def export_model(model: str, output: Path, quantize: bool, prior: float | None, data: str | None) -> None:
    """Writes model.onnx, and says how it differs from the checkpoint.

    Args:
        model: name, folder or repository of the checkpoint.
        output: folder that it is written to.
        quantize: whether it is to be 8-bit.
        prior: prior strength of its probabilities; the checkpoint's where it is None.
        data: a prepared data set to learn the range of values from, and to measure on.

    Raises:
        OSError, ValueError: the checkpoint or the data cannot be read, or the file cannot be written or differs too much.
    """
    checkpoint = load_checkpoint(model)
    if prior is not None:
        checkpoint.model.check_prior(prior)
        config = checkpoint.model.config
        if prior != config.prior_strength:
            # They were fitted at the checkpoint's own prior.
            config.uncertain_below = config.conformal_thresholds = None
        config.prior_strength = prior
    console = Console(soft_wrap=True, highlight=False, markup=False)
    done = export_checkpoint(checkpoint, output, quantize, data)
    console.print(f"wrote {done.file} ({done.megabytes:.1f} MB)")
    where = "one photo" if done.split is None else f"{data}, {PARTS[done.split]}"
    console.print(describe_difference(done, where))


def describe_difference(done: Export, compared: str) -> str:
    """A sentence on how the file answers otherwise than the checkpoint.

    Args:
        done: what was written.
        compared: what the compared crops are of.
    """
    difference, where = done.difference, f"{done.crops:,} crops of {compared}"
    sentence = (
        f"on {where}: probabilities differ by up to {difference.probabilities:.2g}, relevance maps by up to "
        f"{difference.relevance_maps:.2g}; {difference.agreement:.1%} are named alike"
    )
    if difference.accuracy is None:
        return sentence
    before, after = difference.accuracy
    return f"{sentence}; accuracy {before:.1%} before, {after:.1%} after ({(after - before) * 100:+.1f} points)"
