local t = require "tt.test"
local nn = require "tt.nn"
local onnx = require "tt.onnx"

local function tower(first)
    return nn.sequential{first(6, 4), nn.relu(), nn.dropout(0.2), nn.linear(4, 3, {seed = 2}), nn.normalize()}
end

local function export(module, opts)
    local path = t.tmpdir() .. "/tower.onnx"
    onnx.export(path, module, opts)
    return tt.fs.read(path)
end

t.test("a tower is exported", function()
    local bytes = export(tower(nn.linear), {
        input_name = "user_features", output_name = "user_embedding", opset = 17, input_dim = 6,
        metadata = {feature_schema_sha256 = "abc"},
    })
    for _, text in ipairs{"user_features", "user_embedding", "batch", "backbone.0.weight", "backbone.3.bias", "Gemm",
        "Relu", "ReduceL2", "Clip", "Div", "feature_schema_sha256"} do
        t.equal(bytes:find(text, 1, true) ~= nil, true, text)
    end
    t.equal(bytes:find("Dropout", 1, true), nil)
    t.equal(bytes:byte(1), 8)
    t.equal(bytes:byte(2), 8, "IR version 8")
end)

t.test("a sparse first layer exports as a dense one", function()
    local dense, sparse = tower(nn.linear), tower(nn.sparse_linear)
    sparse:load_state_dict(dense:state_dict())
    t.equal(export(sparse) == export(dense), true)
end)

t.test("the same network gives the same bytes", function()
    local module = tower(nn.linear)
    t.equal(export(module) == export(module), true)
    t.equal(export(module, {prefix = "tower"}):find("tower.0.weight", 1, true) ~= nil, true)
end)

t.test("what does not fit is an error", function()
    local path = t.tmpdir() .. "/a.onnx"
    local module = tower(nn.linear)
    t.error("only operator set 17 is written", onnx.export, path, module, {opset = 18})
    t.error("onnx.bad_network", onnx.export, path, module, {input_dim = 7})
    t.error("onnx.bad_network", onnx.export, path, nn.sequential{nn.linear(2, 3), nn.linear(2, 3)})
    t.error("onnx.bad_network", onnx.export, path, module, {input_name = "x", output_name = "x"})
    t.error("did you mean 'input_name'", onnx.export, path, module, {inputname = "x"})
    t.error("bad argument #2", onnx.export, path, {})
    t.error("fs.not_found", onnx.export, t.tmpdir() .. "/no/folder/a.onnx", module)
    t.equal(tt.fs.exists(path), false)
end)
