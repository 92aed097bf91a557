"""Checks tt's checkpoints against PyTorch and the safetensors library, both ways.

    python Tests/outside/checkpoint_check.py --tt PATH_TO_TT

Needs torch, numpy and safetensors. Prints a line per check and a closing line; exit status 1 when one failed.
"""

import collections
import json
import os
import pathlib
import pickle
import subprocess
import sys
import tempfile
import warnings
import zipfile
import zlib

import numpy
import safetensors
import safetensors.torch
import torch

import common

EMBEDDING, TAGS, ACTRESSES = 256, 40, 20
USER, ITEM = 9 + TAGS + ACTRESSES, 3 + TAGS + ACTRESSES
LAYERS = [f"backbone.{index}.{kind}" for index in (0, 3, 6) for kind in ("weight", "bias")]
KEYS = [f"user_tower.{name}" for name in LAYERS] + [f"item_tower.{name}" for name in LAYERS]

WRITE = """
local out = arg[1]
local function tower(width, seed)
    return tt.nn.sequential{
        tt.nn.linear(width, 512, {seed = seed}), tt.nn.relu(), tt.nn.dropout(0.2),
        tt.nn.linear(512, 256, {seed = seed + 1}), tt.nn.relu(), tt.nn.dropout(0.1),
        tt.nn.linear(256, %(embedding)d, {seed = seed + 2}), tt.nn.normalize()}
end
local user, item = tower(%(user)d, 1), tower(%(item)d, 11)
local state, order = {}, {}
for _, pair in ipairs{{"user_tower.backbone.", user}, {"item_tower.backbone.", item}} do
    for _, index in ipairs{"0", "3", "6"} do
        for _, kind in ipairs{"weight", "bias"} do
            local name = index .. "." .. kind
            order[#order + 1] = pair[1] .. name
            state[pair[1] .. name] = pair[2]:state_dict()[name]
        end
    end
end
setmetatable(state, {__order = order})
local function vocabulary(prefix, n)
    local words = {}
    for i = 1, n do words[i] = prefix .. i end
    return words
end
local checkpoint = tt.json.object{
    {"model_state", state},
    {"pipeline", tt.json.object{
        {"tag_vocab", vocabulary("タグ", %(tags)d)}, {"actress_vocab", vocabulary("é ", %(actresses)d)},
        {"user_numeric_normalizer", {feature_names = {"a", "b"}, mean = {0.1, -1e300}, scale = {1.0, 5e-324}}},
        {"item_numeric_normalizer", {feature_names = tt.json.array{}, mean = tt.json.array{}, scale = tt.json.array{}}},
        {"user_feature_dim", %(user)d}, {"item_feature_dim", %(item)d},
        {"reference_time", "2025-01-31T12:00:00Z"}, {"item_reference_time", tt.json.null}}},
    {"config", tt.json.object{{"seed", 42}, {"big", math.mininteger}, {"lr", 0.001}, {"flag", true},
        {"nested", {a = {1, {2, "x"}}}}}},
}
tt.checkpoint.save(out .. "/latest.pt", checkpoint)
local x = tt.tensor.randn({33, %(user)d}, {seed = 5})
user:eval()
tt.checkpoint.save_safetensors(out .. "/rows.safetensors", {x = x, y = user(x):detach()})
"""

COPY = """
for i = 1, #arg, 2 do tt.checkpoint.save(arg[i + 1], tt.checkpoint.load(arg[i])) end
"""

COPY_SAFETENSORS = """
local tensors, metadata = tt.checkpoint.load_safetensors(arg[1])
tt.checkpoint.save_safetensors(arg[2], tensors, metadata)
"""

REFUSE = """
local ok, raised = pcall(tt.checkpoint.load, arg[1])
print(tt.json.encode({ok = ok, code = not ok and raised.code or "", message = not ok and raised.message or ""}))
"""


class Tower(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.backbone = torch.nn.Sequential(
            torch.nn.Linear(width, 512), torch.nn.ReLU(), torch.nn.Dropout(0.2),
            torch.nn.Linear(512, 256), torch.nn.ReLU(), torch.nn.Dropout(0.1), torch.nn.Linear(256, EMBEDDING))

    def forward(self, x):
        return torch.nn.functional.normalize(self.backbone(x), dim=-1, eps=1e-12)


class TwoTower(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.user_tower = Tower(USER)
        self.item_tower = Tower(ITEM)


def check_ours(check, tt, folder):
    """What tt wrote, as torch reads it."""
    script = WRITE % {"embedding": EMBEDDING, "user": USER, "item": ITEM, "tags": TAGS, "actresses": ACTRESSES}
    common.run_script(tt, folder, script, folder)
    path = folder / "latest.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value = torch.load(path, weights_only=True)
        mapped = torch.load(path, weights_only=True, mmap=True)
    check("torch.load(weights_only=True) opens it, without a warning", True)
    state = value["model_state"]
    check("the twelve keys in order", list(state) == KEYS, list(state))
    check("float32, contiguous, two dimensions for weights", all(
        tensor.dtype == torch.float32 and tensor.is_contiguous() and tensor.dim() == (2 if "weight" in key else 1)
        for key, tensor in state.items()))
    check("mmap=True gives the same numbers", all(torch.equal(state[key], mapped["model_state"][key]) for key in KEYS))
    pipeline = value["pipeline"]
    check("texts and lists", pipeline["tag_vocab"] == [f"タグ{i + 1}" for i in range(TAGS)]
          and pipeline["actress_vocab"][0] == "é 1")
    check("floats bit for bit", pipeline["user_numeric_normalizer"]["mean"] == [0.1, -1e300]
          and pipeline["user_numeric_normalizer"]["scale"] == [1.0, 5e-324])
    check("None and empty lists", pipeline["item_reference_time"] is None
          and pipeline["item_numeric_normalizer"]["mean"] == [])
    config = value["config"]
    check("types of numbers", config["big"] == -(2**63) and type(config["seed"]) is int
          and type(config["lr"]) is float and config["flag"] is True)
    check("order and nesting", list(value) == ["model_state", "pipeline", "config"]
          and config["nested"] == {"a": [1, [2, "x"]]})

    model = TwoTower()
    model.load_state_dict(state, strict=True)
    model.eval()
    rows = safetensors.torch.load_file(folder / "rows.safetensors")
    with torch.no_grad():
        difference = (model.user_tower(rows["x"]) - rows["y"]).abs().max().item()
    check("the rebuilt tower computes what tt computed", difference < 1e-5, difference)

    with zipfile.ZipFile(path) as archive:
        names = [info.filename.removeprefix("latest/") for info in archive.infolist()]
        check("entries and their order", names == ["data.pkl", ".format_version", ".storage_alignment", "byteorder"]
              + [f"data/{i}" for i in range(12)] + ["version", ".data/serialization_id"], names)
        check("stored, undated, flags 0x0808", all(
            info.compress_type == zipfile.ZIP_STORED and info.flag_bits == 0x0808 and info.date_time[0] == 1980
            and info.date_time[1] == 0 for info in archive.infolist()))
        check("checksums", archive.testzip() is None and all(
            zlib.crc32(archive.read(info)) == info.CRC for info in archive.infolist()))
        raw = path.read_bytes()
        starts = [info.header_offset + 30 + len(info.filename)
                  + int.from_bytes(raw[info.header_offset + 28:info.header_offset + 30], "little")
                  for info in archive.infolist()]
        check("data starts at multiples of 64", all(start % 64 == 0 for start in starts), starts)
        check("version and serialization id", archive.read("latest/version") == b"3\n"
              and archive.read("latest/.data/serialization_id").isdigit()
              and len(archive.read("latest/.data/serialization_id")) == 40)
        torch.save(value, folder / "torch" / "latest.pt")
        with zipfile.ZipFile(folder / "torch" / "latest.pt") as theirs:
            check("the same layout as torch's own file", theirs.namelist() == archive.namelist(), theirs.namelist())
            sizes = [(a.header_offset, a.file_size) for a in theirs.infolist()[1:16]]
            check("entries of the same sizes", [a[1] for a in sizes]
                  == [a.file_size for a in archive.infolist()[1:16]])

    first = path.read_bytes()
    common.run_script(tt, folder, script, folder)
    check("a second run writes the same bytes", path.read_bytes() == first)


def same(a, b):
    """Equal in value and kind; tuples come back as lists, integer keys as text, tensors as float32."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.shape == b.shape and torch.equal(a.float(), b)
    if isinstance(a, dict):
        return isinstance(b, dict) and [str(key) for key in a] == list(b) and all(
            same(value, b[str(key)]) for key, value in a.items())
    if isinstance(a, (list, tuple)):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def check_theirs(check, tt, folder):
    """What torch wrote, through tt and back."""
    torch.manual_seed(3)
    base = torch.randn(5, 6, 7)
    saved = {
        "reference": {
            "model_state": TwoTower().state_dict(),
            "pipeline": {"tag_vocab": ["a", "日本"], "actress_vocab": [], "user_feature_dim": USER,
                         "user_numeric_normalizer": {"feature_names": ["x"], "mean": [0.5], "scale": [2.0]}},
            "config": {"training": {"lr": 1e-3, "epochs": 25}, "optimizer": {"parameters": {"betas": [0.9, 0.999]}}},
        },
        "views": {"t": base.permute(2, 0, 1), "s": base[1:4, ::2, -1], "e": torch.ones(1).expand(4, 3), "b": base,
                  "scalar": base[0, 0, 0], "none": torch.zeros(0, 3)},
        "types": {str(dtype): torch.tensor([0, 1, 100]).to(dtype) for dtype in (
            torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.int32, torch.int16, torch.int8,
            torch.uint8, torch.bool)},
        "values": {"tuple": (1, (2.5, "x")), 7: "seven", "ordered": collections.OrderedDict(z=1, a=None),
                   "long": -(2**62), "many": list(range(5000)), "text": "\0é日本\U0001F600"},
        "parameter": {"w": torch.nn.Parameter(torch.randn(3, 2))},
        "tensor": torch.randn(4),
    }
    adam = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(2))])
    adam.param_groups[0]["params"][0].grad = torch.ones(2)
    adam.step()
    saved["optimizer"] = adam.state_dict()
    arguments = []
    for name, value in saved.items():
        torch.save(value, folder / f"{name}.pt")
        arguments += [folder / f"{name}.pt", folder / f"{name}.copy.pt"]
    common.run_script(tt, folder, COPY, *arguments)
    for name, value in saved.items():
        check(f"torch -> tt -> torch: {name}", same(value, torch.load(folder / f"{name}.copy.pt", weights_only=True)))
    with zipfile.ZipFile(folder / "types.pt") as old, zipfile.ZipFile(
            folder / "deflated.pt", "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    common.run_script(tt, folder, COPY, folder / "deflated.pt", folder / "deflated.copy.pt")
    check("torch -> deflated -> tt -> torch",
          same(saved["types"], torch.load(folder / "deflated.copy.pt", weights_only=True)))


def check_safetensors(check, tt, folder):
    torch.manual_seed(4)
    tensors = {"b": torch.randn(3, 4), "a": torch.randn(5).to(torch.bfloat16), "日本": torch.randn(2, 2).to(torch.float16),
               "n": torch.arange(4), "empty": torch.zeros(0, 2), "scalar": torch.tensor(2.5, dtype=torch.float64)}
    safetensors.torch.save_file(tensors, folder / "theirs.safetensors", metadata={"note": "é", "format": "pt"})
    common.run_script(tt, folder, COPY_SAFETENSORS, folder / "theirs.safetensors", folder / "ours.safetensors")
    ours = safetensors.torch.load_file(folder / "ours.safetensors")
    check("safetensors -> tt -> safetensors", ours.keys() == tensors.keys() and all(
        ours[name].dtype == torch.float32 and torch.equal(ours[name], tensor.float())
        for name, tensor in tensors.items()))
    with safetensors.safe_open(folder / "ours.safetensors", "np") as opened:
        check("metadata of safetensors", opened.metadata() == {"note": "é", "format": "pt"}, opened.metadata())
        check("safetensors through numpy", numpy.array_equal(opened.get_tensor("b"), tensors["b"].numpy()))


class Hostile:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def check_hostile(check, tt, folder):
    marker = folder / "ran"
    attacks = {
        "os.system": Hostile(os.system, f"touch {marker}"),
        "subprocess.Popen": Hostile(subprocess.Popen, ["touch", str(marker)]),
        "builtins.eval": Hostile(eval, f"open({str(marker)!r}, 'w')"),
        "pickle.loads": Hostile(pickle.loads, b"x"),
        "numpy": numpy.float64(1.5),
        "set": {1, 2},
        "bytes": b"x",
    }
    for name, attack in attacks.items():
        path = folder / "hostile.pt"
        torch.save({"model_state": {"w": torch.ones(2)}, "config": attack}, path)
        answer = json.loads(common.run_script(tt, folder, REFUSE, path))
        check(f"refused by name: {name}", not answer["ok"] and answer["code"] == "checkpoint.refused"
              and "'" in answer["message"], answer)
    check("nothing ran", not marker.exists())


def main():
    tt = common.parser(__doc__).parse_args().tt
    check = common.Check()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "torch").mkdir()
        check_ours(check, tt, folder)
        check_theirs(check, tt, folder)
        check_safetensors(check, tt, folder)
        check_hostile(check, tt, folder)
    return check.close("checkpoint_check")


if __name__ == "__main__":
    sys.exit(main())
