"""Checks tt's ONNX files: the checker with full inference, and ONNX Runtime against tt on the same rows.

    python Tests/outside/onnx_check.py --tt PATH_TO_TT

Needs onnx, onnxruntime, numpy and safetensors. Prints a line per check and a closing line; exit status 1 when one
failed.
"""

import pathlib
import sys
import tempfile

import numpy
import onnx
import onnx.checker
import onnx.numpy_helper
import onnx.shape_inference
import onnxruntime
import safetensors.numpy

import common

BATCHES = [0, 1, 7, 1000]
TOLERANCE = 1e-5

# Each network with its width; the first is the documented tower.
NETWORKS = {
    "tower": (777, """tt.nn.sequential{tt.nn.linear(777, 512, {seed = 1}), tt.nn.relu(), tt.nn.dropout(0.2),
        tt.nn.linear(512, 256, {seed = 2}), tt.nn.relu(), tt.nn.dropout(0.1), tt.nn.linear(256, 256, {seed = 3}),
        tt.nn.normalize()}"""),
    "sparse": (777, """tt.nn.sequential{tt.nn.sparse_linear(777, 512, {seed = 1}), tt.nn.relu(), tt.nn.dropout(0.2),
        tt.nn.linear(512, 64, {seed = 2}), tt.nn.normalize()}"""),
    "nested": (13, """tt.nn.sequential{tt.nn.sequential{tt.nn.linear(13, 8, {seed = 4}), tt.nn.relu()},
        tt.nn.normalize(), tt.nn.linear(8, 5, {seed = 5})}"""),
    "bare_linear": (4, "tt.nn.linear(4, 3, {seed = 6})"),
    "only_normalize": (6, "tt.nn.sequential{tt.nn.normalize()}"),
    "only_dropout": (6, "tt.nn.sequential{tt.nn.dropout(0.5)}"),
    "one_number": (1, "tt.nn.sequential{tt.nn.linear(1, 1, {seed = 7}), tt.nn.normalize()}"),
}

SCRIPT = """
local out = arg[1]
local function run(name, width, module)
    module:eval()
    local opts = {input_name = "user_features", output_name = "user_embedding", input_dim = width, opset = 17,
        metadata = {feature_schema_sha256 = "abc", note = "日本 é"}}
    tt.onnx.export(out .. "/" .. name .. ".onnx", module, opts)
    tt.onnx.export(out .. "/" .. name .. ".again.onnx", module, opts)
    local inputs = tt.checkpoint.load_safetensors(out .. "/" .. name .. ".in.safetensors")
    local outputs = {}
    for key, x in pairs(inputs) do outputs[key] = module(x):detach() end
    tt.checkpoint.save_safetensors(out .. "/" .. name .. ".out.safetensors", outputs)
end
"""


def inputs(width):
    """Rows like standardised features with sparse bags, and some that are out of the ordinary."""
    random = numpy.random.default_rng(width)
    batches = {}
    for size in BATCHES:
        rows = random.standard_normal((size, width))
        rows[:, 9:] *= random.random((size, max(width - 9, 0))) < 0.02
        batches[f"batch_{size}"] = rows.astype(numpy.float32)
    batches["zeros"] = numpy.zeros((3, width), numpy.float32)
    batches["tiny"] = numpy.full((2, width), 1e-14, numpy.float32)
    batches["large"] = (random.standard_normal((4, width)) * 1e4).astype(numpy.float32)
    return batches


def check_model(check, name, width, folder):
    path = folder / f"{name}.onnx"
    model = onnx.load(path)
    try:
        onnx.checker.check_model(model, full_check=True)
        onnx.checker.check_model(str(path), full_check=True)
        onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
        check(f"{name}: the checker accepts it", True)
    except Exception as error:  # the checker raises several kinds
        check(f"{name}: the checker accepts it", False, error)
    check(f"{name}: IR 8, opset 17 of the default domain", model.ir_version == 8
          and [(entry.domain, entry.version) for entry in model.opset_import] == [("", 17)])
    check(f"{name}: metadata", {entry.key: entry.value for entry in model.metadata_props}
          == {"feature_schema_sha256": "abc", "note": "日本 é"})
    graph = model.graph
    sizes = [[size.dim_param or size.dim_value for size in port.type.tensor_type.shape.dim]
             for port in (graph.input[0], graph.output[0])]
    check(f"{name}: input and output", len(graph.input) == len(graph.output) == 1
          and graph.input[0].name == "user_features" and graph.output[0].name == "user_embedding"
          and sizes[0] == ["batch", width] and sizes[1][0] == "batch" and isinstance(sizes[1][1], int), sizes)
    check(f"{name}: weights inside, float32, no dropout", all(
        not tensor.external_data and tensor.data_type == onnx.TensorProto.FLOAT and tensor.HasField("raw_data")
        for tensor in graph.initializer) and all(node.op_type != "Dropout" and not node.domain for node in graph.node))
    names = [node.name for node in graph.node]
    check(f"{name}: node names differ", len(set(names)) == len(names) and all(names))
    check(f"{name}: a second export has the same bytes",
          path.read_bytes() == (folder / f"{name}.again.onnx").read_bytes())
    return sizes[1][1]


def check_numbers(check, name, out_width, folder):
    session = onnxruntime.InferenceSession(folder / f"{name}.onnx", providers=["CPUExecutionProvider"])
    theirs = safetensors.numpy.load_file(folder / f"{name}.in.safetensors")
    ours = safetensors.numpy.load_file(folder / f"{name}.out.safetensors")
    for key, rows in theirs.items():
        (result,) = session.run(["user_embedding"], {"user_features": rows})
        expected = ours[key]
        good = result.shape == expected.shape == (len(rows), out_width)
        scale = max(1.0, float(numpy.abs(expected).max())) if expected.size else 1.0
        difference = float(numpy.abs(result - expected).max()) / scale if good and result.size else 0.0
        check(f"{name}: {key} agrees with tt", good and difference <= TOLERANCE and numpy.isfinite(result).all(),
              f"shapes {result.shape} {expected.shape}, difference {difference}")
        if name in ("tower", "sparse") and len(rows) and key.startswith("batch"):
            norms = numpy.linalg.norm(result.astype(numpy.float64), axis=1)
            check(f"{name}: {key} has unit rows", numpy.abs(norms - 1).max() < 1e-5)
    if name == "only_normalize":
        (result,) = session.run(None, {"user_features": theirs["zeros"]})
        check("rows of zeros give zeros", not result.any() and numpy.isfinite(result).all())
        tiny = theirs["tiny"]
        (result,) = session.run(None, {"user_features": tiny})
        norm = numpy.linalg.norm(tiny.astype(numpy.float64), axis=1, keepdims=True)
        check("the floor of 1e-12 under the norm holds", numpy.allclose(result, tiny / numpy.maximum(norm, 1e-12)))


def main():
    tt = common.parser(__doc__).parse_args().tt
    check = common.Check()
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        script = SCRIPT
        for name, (width, module) in NETWORKS.items():
            safetensors.numpy.save_file(inputs(width), folder / f"{name}.in.safetensors")
            script += f'run("{name}", {width}, {module})\n'
        common.run_script(tt, folder, script, folder)
        for name, (width, _) in NETWORKS.items():
            check_numbers(check, name, check_model(check, name, width, folder), folder)
    return check.close("onnx_check")


if __name__ == "__main__":
    sys.exit(main())
