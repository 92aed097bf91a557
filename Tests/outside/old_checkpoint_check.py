"""Checks that tt exports checkpoints of the earlier Python system: torch.save of a state dict, no reference times.

    python Tests/outside/old_checkpoint_check.py --tt PATH_TO_TT

Trains on a small demo database with tt, saves the same weights again as PyTorch would have, and compares the ONNX file,
the side files and the embeddings made from both. Needs torch. Prints a line per check and a closing line; exit status 1
when one failed.
"""

import json
import pathlib
import sys
import tempfile

import torch

import common


class Tower(torch.nn.Module):
    def __init__(self, width, size):
        super().__init__()
        self.backbone = torch.nn.Sequential(
            torch.nn.Linear(width, 512), torch.nn.ReLU(), torch.nn.Dropout(0.2),
            torch.nn.Linear(512, 256), torch.nn.ReLU(), torch.nn.Dropout(0.1), torch.nn.Linear(256, size))


class TwoTower(torch.nn.Module):
    def __init__(self, user, item, size):
        super().__init__()
        self.user_tower = Tower(user, size)
        self.item_tower = Tower(item, size)


def save_again(source, target):
    """The same model, as a PyTorch training script saves it: with `_metadata`."""
    checkpoint = torch.load(source, weights_only=True)
    pipeline = dict(checkpoint["pipeline"])
    del pipeline["reference_time"], pipeline["item_reference_time"]
    model = TwoTower(
        pipeline["user_feature_dim"], pipeline["item_feature_dim"], checkpoint["config"]["artifacts"]["embedding_dim"])
    model.load_state_dict(checkpoint["model_state"], strict=True)
    torch.save({"model_state": model.state_dict(), "pipeline": pipeline, "config": checkpoint["config"]}, target)


def main():
    tt = common.parser(__doc__).parse_args().tt
    check = common.Check()
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)

        def run(*arguments):
            common.run(tt, *arguments, cwd=folder)

        database = ("--db", "sqlite:demo.sqlite")
        run("demo.lua", *database, "--users", "150", "--videos", "200", "--decisions", "3000")
        run("pipeline.lua", *database, "--checkpoint", "new.pt", "--artifacts", "new")
        save_again(folder / "new.pt", folder / "old.pt")
        run("export.lua", "--checkpoint", "old.pt", "--output-dir", "old")
        run("generate_embeddings.lua", "--checkpoint", "old.pt", *database, "--output", "old/video_embeddings.parquet")

        for name in ("user_tower.onnx", "feature_schema.json", "normalizer.json", "vocab_tag.json", "vocab_actress.json",
                     "video_embeddings.parquet"):
            check(f"{name} is the same", (folder / "new" / name).read_bytes() == (folder / "old" / name).read_bytes())
        new, old = (json.loads((folder / name / "model_meta.json").read_text()) for name in ("new", "old"))
        check("the fingerprint is the same", new["model_fingerprint"] == old["model_fingerprint"])
        check("the reference time is null", old["reference_time"] is None and new["reference_time"] is not None)
        same = ("embedding_dim", "user_feature_dim", "item_feature_dim", "tag_vocab_size", "actress_vocab_size", "config")
        check("dimensions and configuration are the same", all(new[key] == old[key] for key in same))
    return check.close("old_checkpoint_check")


if __name__ == "__main__":
    sys.exit(main())
