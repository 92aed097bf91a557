---@meta tt.onnx

-- Networks as ONNX files, for ONNX Runtime on servers and in browsers: operator set 17, format version 8, float32, one
-- self-contained file.

---@class tt.onnx
local onnx = {}

---@class tt.onnx.ExportOptions
---@field input_name? string default `input`
---@field output_name? string default `output`
---@field input_dim? integer width of the input; default: what the first linear layer takes, and it must agree
---@field prefix? string stands before the layers' names in the graph; default `backbone`, as in `backbone.0.weight`
---@field opset? integer 17, the only one there is
---@field metadata? table<string, string> texts that travel with the model

--- Writes a network as an ONNX model. The file appears whole or not at all; the same network gives the same bytes.
---
---```lua
---local tower = tt.nn.sequential{tt.nn.linear(5, 4), tt.nn.relu(), tt.nn.dropout(0.1), tt.nn.linear(4, 3),
---    tt.nn.normalize()}
---tt.onnx.export("tower.onnx", tower, {input_name = "user_features", metadata = {schema = "v2"}})
---assert(tt.fs.stat("tower.onnx").size > 0)
---```
---
--- The input is (batch, in), the output (batch, out), with `batch` left open, 0 included. Takes `linear`,
--- `sparse_linear` (as a dense layer over the whole width), `relu`, `dropout` (which leaves no trace), `normalize`
--- (rows of zeros stay zeros) and `sequential` of these.
---
--- Raises `onnx.not_supported` for other layers, `onnx.bad_network` for widths or names that do not fit together,
--- `onnx.too_large` for weights beyond 2 GB, `argument` for another opset, `fs.denied`, `fs.failed`, `fs.not_found`.
---@param path string
---@param module tt.Module
---@param opts? tt.onnx.ExportOptions
function onnx.export(path, module, opts) end

return onnx
