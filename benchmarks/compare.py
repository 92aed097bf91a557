"""Runs tt and benchmarks/peer_torch.py in turn on the same databases and writes benchmarks/RESULTS-KERNELS.md, named
after the set of kernels that tt runs with (TT_KERNELS, or the best that the processor has).

Started by `scripts/bench --peer`, which see. Only the standard library is used here: the memory of a child can never
be told to be less than that of the process that starts it.
"""

import argparse
import datetime
import json
import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
PEER = os.path.join(HERE, "peer_torch.py")
SECTIONS = ["training", "features", "embeddings", "pipeline", "startup", "calls"]
# The columns that the pipeline reads, as psql copies them to nowhere.
TABLES = {
    "videos": "id, price, duration_seconds, product_released_at, distribution_started_at, safety_level",
    "video_tags": "video_id, tag_name",
    "video_performers": "video_id, performer_name",
    "profiles": "user_id, created_at",
    "user_video_decisions": "user_id, video_id, decision_type, created_at",
}
DENSE = 512 * 256 + 256 * 256  # weights of the two upper layers
BRIEF = 2000  # steps after which the peer's epoch is ended where a whole one takes too long


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench --peer", description="Compares tt with a PyTorch pipeline.")
    parser.add_argument("sizes", nargs="*", help="S, M or L (default: S M)")
    parser.add_argument("--tt", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--runs", type=int, default=5, help="runs of each program (default: 5)")
    parser.add_argument("--long-runs", type=int, default=1,
                        help="runs of what trains a whole epoch on L, half an hour each with the peer (default: 1; 0: tt "
                        f"once, and the peer ended after {BRIEF} steps, for its memory and rate)")
    parser.add_argument("--medium-runs", type=int,
                        help="runs of what trains a whole epoch on M, whose validation loss depends most on the seed (default: --runs)")
    parser.add_argument("--epochs", type=int, default=1, help="epochs of each training (default: 1)")
    parser.add_argument("--batch-sizes", default="256,4096", help="of the trainings, the first on every size and the others on the first size "
                        "(default: 256,4096)")
    parser.add_argument("--db", choices=["postgresql", "sqlite"], default="postgresql", help="(default: postgresql)")
    parser.add_argument("--only", help="some of the sections: " + ",".join(SECTIONS))
    parser.add_argument("--peer-variant", help="skip the choice: threads and mode, such as 2,eager or 1,compiled")
    parser.add_argument("--work", help="folder for databases and artifacts, kept (default: a temporary one)")
    parser.add_argument("--out", help="(default: benchmarks/RESULTS-KERNELS.md, with the set of kernels)")
    given = parser.parse_args()
    given.kernels = subprocess.run([given.tt, "-e", "print(tt.tensor.kernels())"], check=True, capture_output=True,
                                   text=True).stdout.strip()
    given.out = given.out or os.path.join(HERE, f"RESULTS-{given.kernels}.md")
    given.sizes = given.sizes or ["S", "M"]
    given.batch_sizes = [int(text) for text in given.batch_sizes.split(",")]
    given.only = given.only.split(",") if given.only else SECTIONS
    if set(given.sizes) - set("SML") or set(given.only) - set(SECTIONS):
        parser.error("sizes are S, M and L; sections are " + ", ".join(SECTIONS))
    return given


given = arguments()
began = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
load_before = os.getloadavg()[0]
work = given.work or tempfile.mkdtemp(prefix="tt-bench-")
os.makedirs(work, exist_ok=True)
# A current numpy or torch picks its kernels itself.
peer_env = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
# Where tt is told to do without newer instructions, so is the peer.
if given.kernels == "avx2":
    peer_env |= {"ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
elif given.kernels == "portable":
    peer_env |= {"ATEN_CPU_CAPABILITY": "default", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2", "ONEDNN_MAX_CPU_ISA": "SSE41"}
commands = {}


def note(text):
    print(time.strftime("%H:%M:%S ") + text, flush=True)


# ---- running programs


class Run:
    """What one process did: its JSON lines, wall and CPU seconds, peak memory."""

    current = None

    def __init__(self, words, env=None, until=None, folder=work):
        out = tempfile.TemporaryFile("w+", dir=work)
        started = time.perf_counter()
        child = subprocess.Popen(words, cwd=folder, env=env, stdin=subprocess.DEVNULL, text=True,
                                 stdout=subprocess.PIPE if until else out, stderr=out if not until else subprocess.STDOUT)
        Run.current = child
        self.peak_then, lines = None, []
        if until:
            # Ends the program as soon as it has told what is wanted.
            for line in child.stdout:
                lines.append(line)
                if line.startswith("{") and until(json.loads(line)):
                    self.peak_then = peak_of(child.pid)
                    child.kill()
                    break
            child.stdout.close()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = status
        self.wall = time.perf_counter() - started
        self.cpu = usage.ru_utime + usage.ru_stime
        self.peak_mb = usage.ru_maxrss // 1024
        if not until:
            out.seek(0)
            lines = out.readlines()
        out.close()
        if status != 0 and self.peak_then is None:
            sys.exit("".join(lines[-40:]) + "failed: " + " ".join(words))
        self.records = [json.loads(line) for line in lines if line.startswith("{")]
        self.text = "".join(lines)

    def find(self, key, value, **more):
        for record in self.records:
            if record.get(key) == value and all(record.get(name) == wanted for name, wanted in more.items()):
                return record
        sys.exit(f"the log has no {key} '{value}':\n{self.text[-2000:]}")

    def all(self, key, value):
        return [record for record in self.records if record.get(key) == value]


def peak_of(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmHWM"))


def shown(words):
    text = " ".join(f"'{word}'" if not word or re.search(r"[^\w./:=,@+-]", word) else word for word in words)
    return (text.replace(given.tt, "tt").replace(sys.executable, "python").replace(ROOT + "/", "").replace(work, "WORK")
            .replace(dsn_of.shared or "\0", "DSN"))


def remember(name, words):
    commands.setdefault(name, shown(words))
    return words


def tt(script, *words, name=None, until=None, env=None):
    line = [given.tt, os.path.join(ROOT, "lua", script), *words, "--log-json"]
    return Run(remember(name, line) if name else line, until=until, env=env)


def peer(command, size, *words, variant, name=None, until=None):
    threads, mode = variant
    line = [sys.executable, PEER, command, "--db", dsn_of(size), "--dir", os.path.join(work, "peer"),
            "--threads", str(threads), *(["--compile"] if mode == "compiled" else []), *words]
    return Run(remember(name, line) if name else line, env=peer_env, until=until)


def settings(batch_size, seed=42):
    return ["--set", f"seed={seed}", "--set", f"training.epochs={given.epochs}", "--set", f"training.batch_size={batch_size}",
            "--set", "training.use_rpc_features=false"]


# ---- databases: one per size; on PostgreSQL one server, whose tables are made anew when the size changes


def dsn_of(size):
    if given.db == "sqlite":
        path = os.path.join(work, size + ".sqlite")
        if not os.path.exists(path):
            note(f"making the database {size}")
            Run([given.tt, os.path.join(HERE, "database.lua"), "--db", "sqlite:" + path, "--size", size])
        return "sqlite:" + path
    if dsn_of.shared is None:
        dsn_of.shared = subprocess.run([os.path.join(ROOT, "Tests/support/postgres"), "start", os.path.join(work, "postgres")],
                                       check=True, capture_output=True, text=True).stdout.strip()
    if dsn_of.holds != size:
        note(f"making the database {size}")
        Run([given.tt, os.path.join(HERE, "database.lua"), "--db", dsn_of.shared, "--size", size])
        dsn_of.holds = size
    return dsn_of.shared


dsn_of.shared = dsn_of.holds = None


def psql():
    found = shutil.which("psql")
    if not found:
        sys.exit("psql is needed to copy tables to nowhere (Debian: postgresql-client)")
    return found


# ---- what else the machine did


def clock_seconds(ticks):
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def server_cpu():
    """CPU seconds of the database server and of its processes that have ended."""
    if not dsn_of.shared:
        return 0.0
    with open(os.path.join(work, "postgres/location")) as file:
        place = file.readline().strip()
    with open(os.path.join(place, "data/postmaster.pid")) as file:
        pid = file.readline().strip()
    with open(f"/proc/{pid}/stat") as file:
        return clock_seconds(file.read().rpartition(")")[2].split()[11:15])


def busy_since(then=(0.0, 0.0, 0.0)):
    """Wall seconds, CPU seconds of all programs, and those of ours."""
    with open("/proc/stat") as file:
        user, nice, system, _, _, irq, softirq, steal = file.readline().split()[1:9]
    own = os.times()
    now = (time.monotonic(), clock_seconds([user, nice, system, irq, softirq, steal]), sum(own[:4]) + server_cpu())
    return tuple(one - other for one, other in zip(now, then))


def others_share():
    """Cores that other programs had on average since the comparison began."""
    wall, busy, own = busy_since(started_at)
    return max(0.0, (busy - own) / wall)


# ---- statistics


class Series:
    """Values and their median; None where nothing was run."""

    def __init__(self, values):
        self.values = list(values)
        self.median = statistics.median(self.values) if self.values else None

    def cell(self, digits=2):
        if not self.values:
            return "-"
        spread = f" ({figure(min(self.values), digits)} to {figure(max(self.values), digits)})" if len(self.values) > 1 else ""
        return figure(self.median, digits) + spread


def figure(value, digits=2):
    if value is None:
        return "-"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{min(digits, 1) if abs(value) >= 100 else digits}f}"


def way(variant):
    return f"{variant[0]} thread{'s' if variant[0] > 1 else ''}, {variant[1]}"


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "| " + " | ".join("---" for _ in header) + " |"]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]) + "\n"


results, targets = {}, []


def target(name, wanted, measured, met):
    targets.append([name, wanted, measured, "met" if met else "missed"])


# ---- which peer


def choose_variant(batch_size):
    """Threads and mode by trial: three short epochs on S. The better of the later two tells the rate, as something else may
    have disturbed one, and the first what compiling costs."""
    if given.peer_variant:
        threads, mode = given.peer_variant.split(",")
        return (int(threads), mode), []
    trials = []
    for threads in (1, 2):
        for mode in ("eager", "compiled"):
            note(f"peer, batch {batch_size}, {way((threads, mode))}")
            steps = 120 if batch_size <= 1024 else 20
            run = peer("train", "S", "--epochs", "3", "--steps", str(steps), "--batch-size", str(batch_size),
                       variant=(threads, mode), name="choice of the peer")
            first, *later = run.all("stage", "epoch")
            seconds = min(epoch["step_seconds"] for epoch in later)
            trials.append({"variant": (threads, mode), "rate": first["rows"] / seconds,
                           "extra": max(0.0, first["step_seconds"] - seconds)})
    return None, trials


def variant_for(batch_size, samples):
    fixed, trials = results["variants"][batch_size]
    if fixed:
        return fixed
    return min(trials, key=lambda trial: trial["extra"] + given.epochs * samples / trial["rate"])["variant"]


def rough_samples(size):
    return {"S": 165e3, "M": 1.65e6, "L": 16.5e6}[size]


# ---- measurements


def at(record):
    return datetime.datetime.fromisoformat(record["ts"]).timestamp()


def epochs_of_tt(run):
    samples = run.find("msg", "samples")
    return [(samples["train"] / epoch["seconds"], epoch["val_loss"]) for epoch in run.all("msg", "epoch")]


def runs_of(size):
    if size == "L":
        return max(given.long_runs, 1)
    return given.medium_runs or given.runs if size == "M" else given.runs


def has_peer(size):
    return size != "L" or given.long_runs > 0


def measure_pipeline(size, batch_size):
    """Both programs in turn, whole pipelines at the first batch size and trainings at the others."""
    whole = batch_size == given.batch_sizes[0] and "pipeline" in given.only
    variant = variant_for(batch_size, rough_samples(size))
    found = {"tt": [], "peer": [], "brief": [], "variant": variant, "whole": whole}
    for index in range(runs_of(size)):
        dsn, seed = dsn_of(size), 42 + index
        shutil.rmtree(os.path.join(work, "artifacts"), ignore_errors=True)
        note(f"{size}, batch {batch_size}, run {index + 1} of {runs_of(size)}: tt")
        if whole:
            run = tt("pipeline.lua", "--db", dsn, *settings(batch_size, seed), "--version", "bench", name="pipeline, tt")
        else:
            run = tt("train.lua", "--db", dsn, *settings(batch_size, seed), name="training, tt")
        found["tt"].append(run)
        if not has_peer(size):
            note(f"{size}, batch {batch_size}: peer, {way(variant)}, {BRIEF} steps")
            found["brief"].append(peer("pipeline" if whole else "train", size, "--epochs", "1", "--steps", str(BRIEF), "--batch-size",
                                       str(batch_size), "--seed", str(seed), variant=variant, name=f"peer, {BRIEF} steps"))
            continue
        note(f"{size}, batch {batch_size}, run {index + 1} of {runs_of(size)}: peer, {way(variant)}")
        found["peer"].append(peer("pipeline" if whole else "train", size, "--epochs", str(given.epochs), "--batch-size",
                                  str(batch_size), "--seed", str(seed), variant=variant,
                                  name="pipeline, peer" if whole else "training, peer"))
    return found


def measure_features(size):
    """Extraction and features alone: both programs are ended when they begin to train."""
    found = {"tt": [], "peer": [], "psql": []}
    for index in range(given.runs):
        dsn = dsn_of(size)
        note(f"{size}, extraction and features, run {index + 1} of {given.runs}")
        found["tt"].append(tt("train.lua", "--db", dsn, *settings(256), until=lambda record: record.get("msg") == "samples",
                              name="extraction and features, tt (ended at the record 'samples')"))
        # numpy and pyarrow use the second core by threads of their own, whatever torch is given.
        found["peer"].append(peer("train", size, variant=(2, "eager"), until=lambda record: record["stage"] == "features",
                                  name="extraction and features, peer (ended at the record 'features')"))
        if given.db == "postgresql":
            line = [psql(), "-X", "-q", dsn]
            for name, columns in TABLES.items():
                line += ["-c", f"COPY (SELECT {columns} FROM public.{name}) TO STDOUT (FORMAT binary)"]
            remember("psql, output to /dev/null", line)
            started = time.perf_counter()
            subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
            found["psql"].append(time.perf_counter() - started)
    return found


def measure_embeddings(size):
    """The stage alone, with the checkpoint that each program has written last."""
    found = {"tt": [], "peer": []}
    dsn = dsn_of(size)
    if not os.path.exists(os.path.join(work, "checkpoints/latest.pt")):
        tt("train.lua", "--db", dsn, *settings(256))
    if not os.path.exists(os.path.join(work, "peer/checkpoints/latest.pt")):
        peer("train", size, "--epochs", "1", "--steps", "50", variant=(2, "eager"))
    for index in range(given.runs):
        note(f"{size}, embeddings, run {index + 1} of {given.runs}")
        found["tt"].append(tt("generate_embeddings.lua", "--db", dsn, "--checkpoint", "checkpoints/latest.pt", "--output",
                              "video_embeddings.parquet", name="embeddings, tt"))
        found["peer"].append(peer("embeddings", size, variant=(2, "eager"), name="embeddings, peer"))
    return found


def measure_startup():
    tt_line = remember("start, tt", [given.tt, "-e", ""])
    peer_line = remember("start, peer", [sys.executable, "-c", "import torch"])
    Run(tt_line), Run(peer_line, peer_env)
    return {"tt": [Run(tt_line) for _ in range(8 * given.runs)], "peer": [Run(peer_line, peer_env) for _ in range(given.runs)]}


def measure_calls():
    line = remember("calls", [given.tt, os.path.join(HERE, "calls.lua")])
    runs = [Run(line).records[0] for _ in range(given.runs)]
    return {name: Series(run[name] for run in runs) for name in runs[0]}


def sgemm(before=None):
    """Best rates, also of an earlier call."""
    rates = {"tt": Run(remember("sgemm, tt", [given.tt, os.path.join(HERE, "sgemm.lua")])).records[0], "peer": {}}
    code = ("import json, time, torch; torch.set_num_threads(N); a, b = torch.rand(2048, 2048), torch.rand(2048, 2048)\n"
            "best = 9e9\nfor _ in range(12):\n    t = time.perf_counter(); a @ b; best = min(best, time.perf_counter() - t)\n"
            "print(json.dumps({'gflops': 2 * 2048 ** 3 / best / 1e9}))")
    for threads in "12":
        run = Run([sys.executable, "-c", code.replace("N)", threads + ")", 1)], {**peer_env, "OMP_NUM_THREADS": threads})
        rates["peer"][threads] = run.records[0]["gflops"]
    if before:
        rates = {who: {threads: max(rate, before[who][threads]) for threads, rate in found.items()} for who, found in rates.items()}
    return rates


# ---- the report


def ratio(one, other, digits=2):
    return figure(one / other, digits) if other else "-"


def training_section(text):
    rates = results["sgemm"]
    best = max(rates[who]["2"] for who in rates)
    rows, losses, notes = [], [], []
    for (size, batch_size), found in results["pipeline"].items():
        samples = found["tt"][0].find("msg", "samples")
        flops = 6 * ((samples["user_dim"] + samples["item_dim"]) * 512 + 2 * DENSE)
        least = flops - 2 * (samples["user_dim"] + samples["item_dim"]) * 512
        own = Series(rate for run in found["tt"] for rate, _ in epochs_of_tt(run))
        other = Series([epoch["rows"] / epoch["seconds"] for run in found["peer"] for epoch in run.all("stage", "epoch")]
                       + [epoch["rows"] / epoch["step_seconds"] for run in found["brief"] for epoch in run.all("stage", "epoch")])
        roof, roof_least = best * 1e9 / flops, best * 1e9 / least
        speed = own.median / other.median if other.median else None
        rows.append([size, batch_size, f"{samples['user_dim']} + {samples['item_dim']}", f"{samples['train']:,}", len(found["tt"]),
                     own.cell(), other.cell(), way(found["variant"]) + (f", {BRIEF} steps" if found["brief"] else ""), figure(speed),
                     figure(own.median / roof)])
        wanted = 4 if batch_size <= 1024 else 3
        if speed:
            target(f"training {size}, batch {batch_size}: samples/s", f">= {wanted} x peer", figure(speed) + " x", speed >= wanted)
        if batch_size <= 1024:
            target(f"training {size}, batch {batch_size}: dense roofline", ">= 1.3 x", figure(own.median / roof) + " x",
                   own.median >= 1.3 * roof)
        for epoch in range(given.epochs):
            mine = Series(run.all("msg", "epoch")[epoch]["val_loss"] for run in found["tt"])
            theirs = Series(run.all("stage", "epoch")[epoch]["val_loss"] for run in found["peer"])
            apart = mine.median / theirs.median - 1 if theirs.median else None
            losses.append([size, batch_size, epoch + 1, mine.cell(4), theirs.cell(4), "-" if apart is None else f"{100 * apart:+.2f} %",
                           figure(found["tt"][0].find("msg", "summary")["trivial_loss"], 4)])
        if apart is not None:
            target(f"training {size}, batch {batch_size}: validation loss above the peer's", "<= 1 %", f"{100 * apart:+.2f} %", apart <= 0.01)
        notes = [flops, least, roof, roof_least]
    text.append("## Training\n\nSamples per second of an epoch, its validation included, as each program logs it. Median (least to "
                "most) of all epochs." + (f" Where the peer was ended after {BRIEF} steps its rate is that of the steps alone." if any(
                    found["brief"] for found in results["pipeline"].values()) else "") + "\n")
    text.append(table(["size", "batch", "inputs", "samples", "runs", "tt samples/s", "peer samples/s", "peer ran on", "tt / peer",
                       "tt / roofline"], rows))
    text.append(f"The dense roofline is what the faster of the two sgemm rates on two threads, {best:.0f} GFLOP/s, gives at "
                f"{notes[0] / 1e6:.2f} MFLOP a sample (six for each weight): {figure(notes[2])} samples/s. A dense trainer that leaves "
                f"out the gradient of its inputs needs {notes[1] / 1e6:.2f} MFLOP: {figure(notes[3])} samples/s.\n")
    chosen = [[batch_size, way(trial["variant"]), figure(trial["rate"]), figure(trial["extra"], 1)]
              for batch_size, (_, trials) in results["variants"].items() for trial in trials]
    if chosen:
        text.append("Ways to run the peer, tried on S; what suits a size best, by rate and by what the first epoch takes longer "
                    "(compiling), is used there:\n")
        text.append(table(["batch", "way", "samples/s", "extra seconds at first"], chosen))
    text.append("Validation loss after each epoch. Each run has another seed, the same for both programs: of the split, which is then "
                "the same, and of weights, batches and drawn negatives, which are each program's own. Without a model every sample gets "
                "the training side's share of likes:\n")
    text.append(table(["size", "batch", "epoch", "tt", "peer", "tt against peer", "without a model"], losses))


def seconds_of_features(found):
    """(extract, features, both) of tt's runs; the database's snapshot and the samples are inside."""
    parts = []
    for run in found["tt"]:
        start, reads, end = run.find("msg", "stage"), run.all("msg", "read"), run.find("msg", "samples")
        parts.append((at(reads[-1]) - at(start), at(end) - at(reads[-1]), at(end) - at(start)))
    return [Series(part[index] for part in parts) for index in range(3)]


def features_section(text):
    rows = []
    for size, found in results["features"].items():
        extract, features, both = seconds_of_features(found)
        peers = [(run.find("stage", "extract")["seconds"], run.find("stage", "features")["seconds"]) for run in found["peer"]]
        peer_both = Series(sum(pair) for pair in peers)
        count = sum(record["rows"] for record in found["tt"][0].all("msg", "read"))
        copied = Series(found["psql"]) if found["psql"] else None
        speed = peer_both.median / both.median
        rows.append([size, f"{count:,}", both.cell(), f"{extract.median:.2f} + {features.median:.2f}", peer_both.cell(),
                     " + ".join(f"{statistics.median(pair[index] for pair in peers):.2f}" for index in (0, 1)),
                     copied.cell() if copied else "-", figure(speed), ratio(both.median, copied.median) if copied else "-"])
        if size != "S":
            target(f"extraction and features {size}", ">= 2 x peer", figure(speed) + " x", speed >= 2)
            if copied:
                over = both.median / copied.median
                target(f"extraction and features {size}: psql COPY", "<= 1.3 x", figure(over) + " x", over <= 1.3)
    text.append("## Extraction and features\n\nSeconds from the connection to matrices and samples that are ready to train on, programs "
                "that are already running; split into reading and the rest as each program's log does. psql copies the same columns of "
                "the same tables in binary form to /dev/null, its start included.\n")
    text.append(table(["size", "rows", "tt", "read + rest", "peer", "read + rest", "psql COPY", "peer / tt", "tt / psql"], rows))


def embeddings_section(text):
    rows = []
    for size, found in results["embeddings"].items():
        own = Series(run.find("msg", "stage done")["seconds"] for run in found["tt"])
        other = Series(run.find("stage", "done")["seconds"] - run.find("stage", "start")["seconds"] for run in found["peer"])
        wall = [Series(run.wall for run in found[who]) for who in ("tt", "peer")]
        after = [Series(at(run.find("msg", "stage done")) - at(run.all("msg", "read")[-1]) for run in found["tt"]),
                 Series(run.find("stage", "done")["seconds"] - run.find("stage", "start")["seconds"]
                        - run.find("stage", "items extract")["seconds"] for run in found["peer"])]
        count = found["peer"][0].find("stage", "embeddings")["rows"]
        speed = other.median / own.median
        rows.append([size, f"{count:,}", own.cell(), other.cell(), figure(speed), figure(after[0].median), figure(after[1].median),
                     ratio(after[1].median, after[0].median), figure(wall[0].median), figure(wall[1].median),
                     ratio(wall[1].median, wall[0].median)])
        target(f"item embeddings to Parquet {size}", ">= 3 x peer", figure(speed) + " x", speed >= 3)
    text.append("## Item embeddings to Parquet\n\nSeconds of the stage, from a checkpoint and the database to the file; then from the "
                "tables' being read; then of the whole process, start-up included. The peer runs on two threads.\n")
    text.append(table(["size", "items", "tt", "peer", "peer / tt", "tt, tables read", "peer, tables read", "peer / tt",
                       "tt, process", "peer, process", "peer / tt"], rows))


def pipeline_section(text):
    rows = []
    for (size, batch_size), found in results["pipeline"].items():
        if not found["whole"]:
            continue
        own, other = Series(run.wall for run in found["tt"]), Series(run.wall for run in found["peer"])
        speed = other.median / own.median if other.median else None
        rows.append([size, batch_size, given.epochs, len(found["tt"]), own.cell(), other.cell(), figure(speed),
                     figure(Series(run.cpu for run in found["tt"]).median), figure(Series(run.cpu for run in found["peer"]).median)])
        wanted = ({"S": 6, "M": 5} if given.kernels == "avx2" else {"S": 10, "M": 4}).get(size)
        if wanted and speed:
            target(f"whole pipeline {size}", f">= {wanted} x peer", figure(speed) + " x", speed >= wanted)
    text.append("## The whole pipeline\n\nWall seconds from the start of the process to its end: tables to checkpoint, ONNX (only "
                "tt), JSON, Parquet and manifest.\n")
    text.append(table(["size", "batch", "epochs", "runs", "tt", "peer", "peer / tt", "tt CPU s", "peer CPU s"], rows))


def memory_section(text):
    rows = []

    def add(size, stage, own, other):
        own, other = Series(own), Series(other)
        part = own.median / other.median if other.median else None
        rows.append([size, stage, figure(own.median, 0), figure(other.median, 0), figure(part)])
        if part and size != "S":
            target(f"peak memory {size}, {stage}", "<= 0.25 x peer", figure(part) + " x", part <= 0.25)

    for size, found in results.get("features", {}).items():
        add(size, "extraction and features", (run.peak_then for run in found["tt"]), (run.peak_then for run in found["peer"]))
    for (size, batch_size), found in results.get("pipeline", {}).items():
        add(size, f"training, batch {batch_size}", (run.find("msg", "stage done")["peak_mb"] for run in found["tt"]),
            (run.find("stage", "checkpoint")["peak_mb"] for run in found["peer"] + found["brief"]))
        if found["whole"]:
            add(size, f"whole pipeline, batch {batch_size}", (run.peak_mb for run in found["tt"]),
                (run.peak_mb for run in found["peer"] + found["brief"]))
    for size, found in results.get("embeddings", {}).items():
        add(size, "embeddings alone", (run.peak_mb for run in found["tt"]), (run.peak_mb for run in found["peer"]))
    if rows:
        rows.sort(key=lambda row: "SML".index(row[0]))
        text.append("## Peak memory\n\nLargest resident set in MB, of the process up to the end of the stage; median of the runs.\n")
        text.append(table(["size", "stage", "tt", "peer", "tt / peer"], rows))


def scale_section(text):
    """Microseconds per row of tt's stages by size."""
    rows = {}

    def add(stage, size, seconds, count):
        rows.setdefault(stage, {})[size] = 1e6 * seconds / count

    for size, found in results.get("features", {}).items():
        extract, features, _ = seconds_of_features(found)
        count = sum(record["rows"] for record in found["tt"][0].all("msg", "read"))
        add("extraction, per row read", size, extract.median, count)
        add("features, per row read", size, features.median, count)
    for (size, batch_size), found in results.get("pipeline", {}).items():
        rate = Series(rate for run in found["tt"] for rate, _ in epochs_of_tt(run)).median
        add(f"training at {batch_size}, per sample", size, 1, rate)
        if found["whole"]:
            count = found["tt"][0].find("msg", "read", table="user_video_decisions")["rows"]
            add("whole pipeline, per decision", size, Series(run.wall for run in found["tt"]).median, count)
    for size, found in results.get("embeddings", {}).items():
        seconds = Series(run.find("msg", "stage done")["seconds"] for run in found["tt"]).median
        add("embeddings, per item", size, seconds, found["peer"][0].find("stage", "embeddings")["rows"])
    sizes = [size for size in "SML" if any(size in by_size for by_size in rows.values())]
    if len(sizes) < 2:
        return
    lines = []
    for stage, by_size in rows.items():
        known = [by_size[size] for size in sizes if size in by_size]
        spread = known[-1] / known[0]
        lines.append([stage, *(figure(by_size.get(size), 3) for size in sizes), figure(spread)])
        if len(known) > 1:
            target(f"cost per row, {stage}", "<= 1.2 x from S on", figure(spread) + " x", spread <= 1.2)
    text.append("## Cost per row\n\nMicroseconds of tt, from the medians above.\n")
    text.append(table(["stage", *sizes, "last / first"], lines))


def small_sections(text):
    if "startup" in results:
        found = results["startup"]
        own, other = (Series(1000 * run.cpu for run in found[who]) for who in ("tt", "peer"))
        walls = [Series(1000 * run.wall for run in found[who]) for who in ("tt", "peer")]
        text.append("## Start\n")
        text.append(table(["program", "runs", "CPU ms", "wall ms"], [
            ["`tt -e ''`", len(found["tt"]), own.cell(), walls[0].cell()],
            ["`python -c 'import torch'`", len(found["peer"]), other.cell(), walls[1].cell()]]))
        target("`tt -e ''`: CPU", "< 15 ms", figure(own.median) + " ms", own.median < 15)
    if "calls" in results:
        calls = results["calls"]
        plain = calls["math.abs(x)"].median
        text.append("## Calls from Lua\n\nNanoseconds a call, the loop taken off; `math.abs` is a plain C function of Lua's.\n")
        text.append(table(["call", "ns", "above the plain one"], [[f"`{name}`", series.cell(1), figure(series.median - plain, 1)]
                                                               for name, series in calls.items()]))
        for name, limit in (("tensor.threads()", 60), ("frame:height()", 100), ("tensor:size(1)", 100)):
            over = calls[name].median - plain
            target(f"`{name}` above a plain C function", f"<= {limit} ns", figure(over, 1) + " ns", over <= limit)


def cpu_name():
    with open("/proc/cpuinfo") as info:
        text = info.read()
    name = re.search(r"model name\s*: (.*)", text)
    flags = re.search(r"flags\s*: (.*)", text)
    best = next((flag for flag in ("avx512f", "avx2") if flags and flag in flags.group(1).split()), "neither avx2 nor avx512f")
    return f"{name.group(1) if name else platform.machine()} ({best})"


def machine_section(text):
    with open("/proc/meminfo") as info:
        memory = int(info.readline().split()[1]) / 1024 / 1024
    versions = dict(results["versions"])
    text.append("## Machine and versions\n")
    text.append(table(["what", "value"], [
        ["processor", f"{cpu_name()}, {os.cpu_count()} cores"], ["kernels of tt", given.kernels], ["memory", f"{memory:.0f} GB"],
        ["system", f"{platform.system()} {platform.release()}"],
        ["load average before the first run", f"{load_before:.2f}"],
        ["cores that other programs had", f"{others_share():.2f} on average"],
        *[[f"sgemm of {who}, one and two threads", f"{rates['1']:.0f} and {rates['2']:.0f} GFLOP/s (2048 x 2048, best of 24)"]
          for who, rates in results["sgemm"].items()],
        *[[name, value] for name, value in versions.items()]]))


def versions():
    found = {"tt": subprocess.run([given.tt, "--version"], capture_output=True, text=True).stdout.strip()}
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    changed = subprocess.run(["git", "-C", ROOT, "status", "--porcelain", "--", "Sources", "lua", "benchmarks/peer_torch.py"],
                             capture_output=True, text=True).stdout.strip()
    found["commit"] = (commit or "unknown") + (" with local changes" if changed else "")
    code = ("import json, sys, torch, numpy, pyarrow, duckdb\nprint(json.dumps({'Python': sys.version.split()[0], "
            "**{m.__name__: m.__version__ for m in (torch, numpy, pyarrow, duckdb)}}))")
    found.update(Run([sys.executable, "-c", code], peer_env).records[0])
    if given.db == "postgresql":
        line = [psql(), "-X", "-At", dsn_of(given.sizes[0]), "-c", "SHOW server_version"]
        found["PostgreSQL"] = subprocess.run(line, capture_output=True, text=True).stdout.strip()
    return found


def report():
    text = ["# Benchmarks\n"]
    targets.clear()
    busy = ""
    if others_share() > 0.1:
        busy = (f"Other programs had {others_share():.2f} of {os.cpu_count()} cores on average (load average before the first run "
                f"{load_before:.2f}): **the machine was not idle, so these figures are provisional.** ")
    if given.runs < 5:
        busy += f"**{given.runs} runs of each program, where five are wanted: provisional.** "
    words = re.sub(r" *--(tt|out|work)[ =]\S+", "", " ".join(sys.argv[1:])).strip()
    text.append(f"Written by `scripts/bench --kernels {given.kernels} --peer {words}`, begun {began}. tt and "
                "`benchmarks/peer_torch.py`, the same pipeline as one would tune it with PyTorch, ran in turn on the same databases "
                f"({'PostgreSQL on a Unix socket' if given.db == 'postgresql' else 'SQLite'}; those of `demo.lua` with more tags, so that "
                "both vocabularies are full). Cells are medians (least to most). " + busy + "A size or section that is absent was not run. "
                "`OPENBLAS_CORETYPE` is taken out of the peer's environment, as its libraries choose for themselves. The "
                "peer writes no ONNX file and looks for no infinite times.\n")
    body = []
    if "pipeline" in results:
        training_section(body)
    if "features" in results:
        features_section(body)
    if "embeddings" in results:
        embeddings_section(body)
    if any(found["whole"] for found in results.get("pipeline", {}).values()):
        pipeline_section(body)
    memory_section(body)
    small_sections(body)
    scale_section(body)
    machine_section(body)
    body.append("## Commands\n\nThe first of each kind; `WORK` is a temporary folder and the working directory, `DSN` the database.\n")
    body.append("```text\n" + "\n".join(f"{name}:\n    {line}" for name, line in commands.items()) + "\n```\n")
    if targets:
        text.append("## Targets\n")
        text.append(table(["what", "target", "measured", ""], targets))
    target_file = given.out + ".new"
    with open(target_file, "w", encoding="utf-8") as file:
        file.write("\n".join(text + body))
    os.replace(target_file, given.out)
    note(f"wrote {given.out}")


started_at = busy_since()


def main():
    if load_before > 0.5:
        note(f"the load average is {load_before:.2f}: if other work takes part of this machine, the report will say so")
    # Here and at the end; the better one is what the machine can do.
    results["sgemm"], results["versions"] = sgemm(), versions()
    if "training" in given.only or "pipeline" in given.only:
        results["variants"] = {batch_size: choose_variant(batch_size) for batch_size in given.batch_sizes}
    for size in given.sizes:
        if "features" in given.only:
            results.setdefault("features", {})[size] = measure_features(size)
        if "training" in given.only or "pipeline" in given.only:
            # The others on the first size: how they compare depends on the model, and a large size takes the peer long.
            several = size == given.sizes[0] and "training" in given.only
            for batch_size in given.batch_sizes if several else given.batch_sizes[:1]:
                results.setdefault("pipeline", {})[size, batch_size] = measure_pipeline(size, batch_size)
        if "embeddings" in given.only:
            results.setdefault("embeddings", {})[size] = measure_embeddings(size)
        report()
    if "startup" in given.only:
        results["startup"] = measure_startup()
    if "calls" in given.only:
        results["calls"] = measure_calls()
    results["sgemm"] = sgemm(results["sgemm"])
    report()


# A polite end ends the server too.
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
try:
    main()
finally:
    if Run.current and Run.current.poll() is None:
        Run.current.kill()
    if dsn_of.shared:
        subprocess.run([os.path.join(ROOT, "Tests/support/postgres"), "stop", os.path.join(work, "postgres")], check=False)
    if not given.work:
        shutil.rmtree(work, ignore_errors=True)
