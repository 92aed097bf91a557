-- N training steps of the documented model: batch 256, vocabularies of 384 tokens each, about ten of them a row.
local model = require "two_tower.model"
local nn = require "tt.nn"
local tensor = require "tt.tensor"
local train = require "tt.train"

local BATCH, TOKENS, PER_ROW = 256, 384, 5
local steps = math.tointeger(arg[1])

-- Rows of `dense` numbers and two bags of tokens, of which some are frequent.
local function matrix(rows, dense, seed)
    local function bag(shift)
        local part = { width = TOKENS, offsets = { 0 }, codes = {}, values = {} }
        for row = 1, rows do
            for entry = 1, PER_ROW do
                part.codes[#part.codes + 1] = (row * row * (entry + shift) + entry * 77) % TOKENS + 1
                part.values[#part.values + 1] = PER_ROW ^ -0.5
            end
            part.offsets[row + 1] = #part.codes
        end
        return part
    end
    return tensor.feature_matrix {
        dense = tensor.randn({ rows, dense }, { seed = seed }), sparse = { bag(1), bag(5) },
    }
end

local users, items = matrix(200, 9, 1), matrix(300, 3, 2)
local towers = model.new(users:width(), items:width(), 256, 1)
local parameters = towers.user:parameters()
table.move(towers.item:parameters(), 1, #towers.item:parameters(), #parameters + 1, parameters)
local trainer = train.trainer {
    loss = function(batch)
        local a, b = nn.parallel({ towers.user, towers.item }, { users:rows(batch.user), items:rows(batch.item) })
        return nn.bce_with_logits(a:dot(b) * 20, batch.label)
    end,
    optimizer = train.adamw({ { params = parameters, weight_decay = 0.01 } }, { lr = 0.001 }),
    clip_norm = 1,
}
towers.user:train()
towers.item:train()

local user, item, label = {}, {}, {}
for sample = 1, BATCH do
    user[sample], item[sample], label[sample] = sample * 37 % 200 + 1, sample * 91 % 300 + 1, sample % 3 == 0 and 1 or 0
end
local batch = { user = tensor.indices(user), item = tensor.indices(item), label = tensor.from_table(label), n = BATCH }
for _ = 1, steps do trainer:step(batch) end
