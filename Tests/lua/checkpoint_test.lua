local t = require "tt.test"
local checkpoint = require "tt.checkpoint"
local tensor = require "tt.tensor"
local json = require "tt.json"

local fixtures = arg[0]:match("^(.*)/[^/]*$") .. "/../fixtures/checkpoints/"

local function in_folder(name) return t.tmpdir() .. "/" .. name end

t.test("what is saved is loaded", function()
    local path = in_folder("latest.pt")
    checkpoint.save(path, {
        model_state = {w = tensor.from_table({{1, 2, 3}, {4, 5, -0.5}}), b = tensor.zeros({0})},
        list = {1, 2.5, "x", true, {}}, array = json.array({}), object = {}, none = json.null,
        int = 3, float = 3.0, big = math.mininteger, text = "日本\0é",
    })
    local value = checkpoint.load(path)
    t.equal(value.model_state.w:to_table(), {{1.0, 2.0, 3.0}, {4.0, 5.0, -0.5}})
    t.equal(value.model_state.b:shape(), {0})
    t.equal(value.list, {1, 2.5, "x", true, {}})
    t.equal(value.none, json.null)
    t.equal(value.int, 3)
    t.equal(value.float, 3.0)
    t.equal(value.big, math.mininteger)
    t.equal(value.text, "日本\0é")
    t.equal(json.encode(value.array), "[]")
    t.equal(json.encode(value.object), "{}")
end)

t.test("order is kept", function()
    local path = in_folder("a.pt")
    checkpoint.save(path, json.object{{"z", 1}, {"a", 2}, {"m", json.object{{"y", 1}, {"b", 2}}}})
    t.equal(json.encode(checkpoint.load(path)), '{"z":1,"a":2,"m":{"y":1,"b":2}}')
    -- Once more through a file, and without an order: sorted.
    checkpoint.save(path, checkpoint.load(path))
    t.equal(json.encode(checkpoint.load(path)), '{"z":1,"a":2,"m":{"y":1,"b":2}}')
    checkpoint.save(path, {z = 1, a = 2})
    t.equal(json.encode(checkpoint.load(path)), '{"a":2,"z":1}')
end)

t.test("equal values give equal bytes", function()
    local one, two = in_folder("latest.pt"), in_folder("latest.pt")
    local weights = tensor.randn({7, 5}, {seed = 3})
    checkpoint.save(one, {weights = weights, names = {"a", "b"}})
    checkpoint.save(two, {names = {"a", "b"}, weights = weights:clone()})
    t.equal(tt.fs.read(one) == tt.fs.read(two), true)
end)

t.test("a checkpoint of the earlier Python system", function()
    local value = checkpoint.load(fixtures .. "reference.pt")
    t.equal(value.model_state["user_tower.backbone.0.weight"]:shape(), {6, 14})
    t.equal(value.model_state["item_tower.backbone.6.bias"]:shape(), {4})
    t.equal(value.pipeline.tag_vocab, {"日本", "b", "é"})
    t.equal(value.pipeline.item_numeric_normalizer.mean, {1980.5, -3.25, 0.0})
    t.equal(value.pipeline.user_feature_dim, 14)
    t.equal(value.config.training.use_rpc_features, true)
    -- What was read can be saved again.
    local path = in_folder("again.pt")
    checkpoint.save(path, value)
    local again = checkpoint.load(path)
    t.equal(json.encode(again.config), json.encode(value.config))
    for name, weight in pairs(value.model_state) do
        t.equal(again.model_state[name]:to_table(), weight:to_table(), name)
    end
end)

t.test("types and views", function()
    local expected = json.read(fixtures .. "expected.json")
    for _, file in ipairs{"types.pt", "views.pt", "big_endian.pt", "deflated.pt"} do
        local value = checkpoint.load(fixtures .. file)
        for name, want in pairs(expected[file]) do
            t.equal(value[name]:shape(), want.shape, file .. " " .. name)
            t.equal(#want.values == 0 or #value[name]:reshape({#want.values}):to_table() == #want.values, true)
        end
    end
end)

t.test("a hostile pickle is refused by name", function()
    local ok, raised = pcall(checkpoint.load, fixtures .. "hostile/global_os_system.pt")
    t.equal(ok, false)
    t.equal(raised.code, "checkpoint.refused")
    t.equal(raised.details.global, "os.system")
    t.equal(tt.fs.exists("hostile-pickle-ran"), false)
    t.error("checkpoint.out_of_spec", checkpoint.load, fixtures .. "hostile/zip_flipped_byte.pt")
    t.error("checkpoint.not_supported", checkpoint.load, fixtures .. "legacy.pt")
    t.error("checkpoint.bad_value", checkpoint.load, fixtures .. "inexact.pt")
    t.error("fs.not_found", checkpoint.load, "no such file.pt")
end)

t.test("what a file cannot hold is an argument error", function()
    local path = in_folder("a.pt")
    t.error("argument", checkpoint.save, path, nil)
    t.error("field 'f'", checkpoint.save, path, {f = print})
    t.error("keys must be", checkpoint.save, path, {1, 2, x = 3})
    t.error("keys must be", checkpoint.save, path, {[1] = "a", [3] = "b"})
    local circle = {}
    circle.inside = circle
    t.error("nested more than 200 levels", checkpoint.save, path, circle)
    t.equal(tt.fs.exists(path), false)
end)

t.test("safetensors", function()
    local path = in_folder("a.safetensors")
    checkpoint.save_safetensors(path, {b = tensor.ones({2, 2}), a = tensor.from_table({1, 2, 3})}, {note = "é"})
    local tensors, metadata = checkpoint.load_safetensors(path)
    t.equal(tensors.a:to_table(), {1.0, 2.0, 3.0})
    t.equal(tensors.b:shape(), {2, 2})
    t.equal(metadata, {note = "é"})
    local foreign, notes = checkpoint.load_safetensors(fixtures .. "types.safetensors")
    t.equal(foreign.bfloat16:to_table(), {0.0, 1.0, 2.0, 100.0})
    t.equal(notes.format, "pt")
    t.error("checkpoint.out_of_spec", checkpoint.load_safetensors, fixtures .. "hostile/overlap.safetensors")
    t.error("tt.Tensor expected", checkpoint.save_safetensors, path, {a = 1})
    t.error("string expected", checkpoint.save_safetensors, path, {}, {a = 1})
end)
