"""Checks tt.nn.topk against torch.topk of the whole product, and measures both in one run.

    python Tests/outside/topk_check.py --tt PATH_TO_TT [--time]

Needs numpy, torch and safetensors. Prints a line per check and a closing line; exit status 1 when one failed. --time
also measures 4,000 queries and 50,000 items of 256 numbers, the two in turn, and prints the ratio of the medians.
"""

import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy
import safetensors.numpy
import torch

import common

# queries, items, width, k, whether pairs are left out, whether numbers are whole (so that many products are equal)
CASES = {
    "small": (7, 40, 8, 5, False, False),
    "all items": (5, 33, 4, 33, False, True),
    "one of each": (1, 1, 1, 1, False, False),
    "more than a tile": (300, 5000, 64, 50, False, False),
    "ties": (200, 3000, 3, 40, False, True),
    "left out": (150, 2500, 32, 20, True, False),
    "left out, ties": (150, 2500, 3, 20, True, True),
    "few left": (20, 30, 6, 30, True, True),
}

SCRIPT = """
local folder, k, threads = arg[1], tonumber(arg[2]), tonumber(arg[3])
tt.tensor.threads(threads)
local given = tt.checkpoint.load_safetensors(folder .. "/in.safetensors")
local exclude = tt.json.read(folder .. "/exclude.json")
local scores, places = tt.nn.topk(given.queries, given.items, k,
    {exclude = #exclude.queries > 0 and exclude or nil})
tt.checkpoint.save_safetensors(folder .. "/scores.safetensors", {scores = scores})
tt.json.write(folder .. "/places.json", places:to_table())
"""

TIMED = """
local n, m, k = tonumber(arg[1]), tonumber(arg[2]), tonumber(arg[3])
local queries = tt.tensor.randn({n, 256}, {seed = 1}):normalize()
local items = tt.tensor.randn({m, 256}, {seed = 2}):normalize()
tt.nn.topk(queries:slice(1, 1, 256), items, k)
local start = tt.time.monotonic()
tt.nn.topk(queries, items, k)
print(tt.time.monotonic() - start)
"""


def given(name, queries, items, width, left_out, whole):
    random = numpy.random.default_rng(len(name))
    if whole:
        sides = [random.integers(-3, 4, (count, width)).astype(numpy.float32) for count in (queries, items)]
    else:
        sides = [random.standard_normal((count, width)).astype(numpy.float32) for count in (queries, items)]
    pairs = numpy.zeros((0, 2), int)
    if left_out:
        pairs = numpy.argwhere(random.random((queries, items)) < random.random((queries, 1)))
        random.shuffle(pairs)
    return sides[0], sides[1], pairs


def expected(queries, items, pairs, k):
    """The best by torch in float64; ties by place, which torch does not promise, by a stable sort."""
    product = torch.from_numpy(queries).double() @ torch.from_numpy(items).double().T
    product[pairs[:, 0], pairs[:, 1]] = -torch.inf
    scores, _ = torch.topk(product, k)
    places = torch.sort(-product, stable=True).indices[:, :k] + 1
    places[torch.isinf(scores)] = 0
    return product, scores.numpy(), places.numpy()


def compare(check, tt, name, case, folder):
    n, m, width, k, left_out, whole = case
    queries, items, pairs = given(name, n, m, width, left_out, whole)
    safetensors.numpy.save_file({"queries": queries, "items": items}, folder / "in.safetensors")
    exclude = {"queries": (pairs[:, 0] + 1).tolist(), "items": (pairs[:, 1] + 1).tolist()}
    (folder / "exclude.json").write_text(json.dumps(exclude))
    product, best, places = expected(queries, items, pairs, k)
    answers = set()
    for threads in (1, 2, 3):
        subprocess.run([tt, "-e", SCRIPT, str(folder), str(k), str(threads)], check=True)
        scores = safetensors.numpy.load_file(folder / "scores.safetensors")["scores"]
        found = numpy.array(json.loads((folder / "places.json").read_text())).reshape(n, k)
        answers.add((scores.tobytes(), found.tobytes()))
    check(f"{name}: equal with 1, 2 and 3 threads", len(answers) == 1)
    check(f"{name}: scores of torch.topk", numpy.allclose(scores, best, rtol=1e-5, atol=1e-5))
    # Neighbours closer than float32 can tell may change places; whole numbers are exact.
    own = numpy.where(found > 0, numpy.take_along_axis(product.numpy(), numpy.maximum(found - 1, 0), 1), -numpy.inf)
    same = (found == places).all() if whole else numpy.allclose(own, best, rtol=1e-5, atol=1e-5)
    distinct = all(len(set(row[row > 0])) == (row > 0).sum() for row in found)
    check(f"{name}: places of torch, ties by place" if whole else f"{name}: places of torch", same and distinct)


def refuses(check, tt):
    code = "tt.nn.topk(tt.tensor.ones {2, 2}, tt.tensor.from_table {{1, 2}, {0 / 0, 1}}, 1)"
    run = subprocess.run([tt, "-e", code], capture_output=True, text=True)
    check("NaN is refused", run.returncode == 1 and "item 2 has an element that is not finite" in run.stderr)


def measure(tt):
    n, m = 4000, 50000
    torch.manual_seed(1)
    queries, items = (torch.nn.functional.normalize(torch.randn(count, 256)) for count in (n, m))
    for k in (10, 100):
        ours, theirs = [], []
        for _ in range(5):
            ours.append(float(subprocess.run(
                [tt, "-e", TIMED, str(n), str(m), str(k)], check=True, capture_output=True, text=True).stdout))
            start = time.perf_counter()
            torch.topk(queries @ items.T, k)
            theirs.append(time.perf_counter() - start)
        mine, other = statistics.median(ours), statistics.median(theirs)
        print(f"{n} queries, {m} items, k = {k}: tt {mine:.3f} s, torch ({torch.get_num_threads()} threads) "
              f"{other:.3f} s, {other / mine:.2f} times")


def main():
    parser = common.parser(__doc__)
    parser.add_argument("--time", action="store_true")
    options = parser.parse_args()
    check = common.Check()
    with tempfile.TemporaryDirectory() as folder:
        for name, case in CASES.items():
            compare(check, options.tt, name, case, pathlib.Path(folder))
    refuses(check, options.tt)
    if options.time:
        measure(options.tt)
    return check.close("topk_check")


sys.exit(main())
