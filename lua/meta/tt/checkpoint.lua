---@meta tt.checkpoint

-- Checkpoints: PyTorch archives (`.pt`) and safetensors files.
--
-- A checkpoint is any nesting of tables, texts, numbers, booleans and tensors. What `save` writes,
-- `torch.load(path, weights_only=True)` opens, and `load` opens what `torch.save` wrote. Reading never runs anything:
-- a pickle that names more than tensors and plain containers is refused by name.

---@class tt.checkpoint
local checkpoint = {}

--- Writes a value as a PyTorch archive; the file appears whole or not at all.
---
---```lua
---local weights = {["0.weight"] = tt.tensor.ones({2, 3}), ["0.bias"] = tt.tensor.zeros({2})}
---tt.checkpoint.save("latest.pt", {model_state = weights, config = {seed = 42, lr = 0.001, note = tt.json.null}})
---assert(tt.fs.exists("latest.pt"))
---```
---
--- Tables with the keys 1 to n become lists (an empty one only if marked by `tt.json.array`), others dictionaries, in
--- the order of their metatable's `__order` or else sorted by bytes. Integers become int, other numbers float,
--- `tt.json.null` None, tensors contiguous float32. Equal values give equal bytes under the same file name.
---
--- Raises `argument` for functions and other values a file cannot hold, `fs.denied`, `fs.failed`, `fs.not_found` for a
--- missing folder.
---@param path string usually `….pt`; the name without its extension becomes the archive's folder, as with PyTorch
---@param value any
function checkpoint.save(path, value) end

--- Reads a PyTorch archive.
---
---```lua
---tt.checkpoint.save("a.pt", {names = {"b", "c"}, weight = tt.tensor.full({2, 2}, 0.5), count = 3})
---local value = tt.checkpoint.load("a.pt")
---assert(value.names[2] == "c" and value.count == 3)
---assert(value.weight:shape()[1] == 2)
---```
---
--- Dictionaries become tables that remember their order (for `save` and `tt.json.encode`), integer keys their text,
--- lists and tuples arrays, None `tt.json.null`. Tensors of any floating type become float32, rounded; integer and
--- boolean ones must be exact as float32. Checksums are compared.
---
--- Raises `checkpoint.refused` for a pickle that names anything else (its `details.global` says what),
--- `checkpoint.not_supported` for archives from before PyTorch 1.6, TorchScript programs and other types of tensors,
--- `checkpoint.out_of_spec` for damaged files, `checkpoint.too_large` for files that claim far more than they hold,
--- `checkpoint.bad_value` for numbers float32 cannot hold, `fs.not_found`, `fs.denied`.
---@param path string
---@return any value
function checkpoint.load(path) end

--- Writes tensors as a safetensors file; the file appears whole or not at all.
---
---```lua
---tt.checkpoint.save_safetensors("a.safetensors", {weight = tt.tensor.ones({2, 2})}, {made_by = "example"})
---```
---
--- Tensors are written as F32, in the order of the table's `__order` or else sorted by bytes.
---
--- Raises `checkpoint.bad_value` for the name `__metadata__`, `argument`, `fs.denied`, `fs.failed`, `fs.not_found`.
---@param path string
---@param tensors table<string, tt.Tensor>
---@param metadata? table<string, string> free text; none by default
function checkpoint.save_safetensors(path, tensors, metadata) end

--- Reads a safetensors file.
---
---```lua
---tt.checkpoint.save_safetensors("a.safetensors", {weight = tt.tensor.ones({2, 2})}, {made_by = "example"})
---local tensors, metadata = tt.checkpoint.load_safetensors("a.safetensors")
---assert(tensors.weight:shape()[2] == 2 and metadata.made_by == "example")
---```
---
--- Tensors of other types become float32 as with `load`.
---
--- Raises `checkpoint.out_of_spec`, `checkpoint.not_supported` for 8-bit floats and other rare types,
--- `checkpoint.bad_value`, `fs.not_found`, `fs.denied`.
---@param path string
---@return table<string, tt.Tensor> tensors in the order of their data
---@return table<string, string> metadata empty if there is none
function checkpoint.load_safetensors(path) end

return checkpoint
