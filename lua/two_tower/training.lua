--- The training loop: epochs over shuffled batches, validation after each, the best epoch's weights kept as a copy.
--- It is meant to be edited; `loss` and `optimizer` below are the usual places.

local frame = require("tt.frame")
local features = require("tt.features")
local json = require("tt.json")
local log = require("tt.log")
local model = require("two_tower.model")
local nn = require("tt.nn")
local progress = require("tt.progress")
local tensor = require("tt.tensor")
local time = require("tt.time")
local train = require("tt.train")

local training = {}

---@class two_tower.Result
---@field state table<string, tt.Tensor> weights of the best epoch
---@field best_epoch integer
---@field best_val_loss number|nil
---@field epochs integer epochs that ran
---@field val_auc number|nil ranking AUC of the model on validation
---@field popularity_auc number|nil of ranking by likes on the training side
---@field trivial_loss number|nil validation loss of always predicting the training side's share of likes
---@field val_acc number|nil

local function require_finite(number, what)
    if number ~= number or number == math.huge or number == -math.huge then
        tt.error("training.not_finite", what .. " is not finite; the learning rate may be too high")
    end
end

-- Share of 1 among the labels, kept away from 0 and 1 so that its log-odds are finite.
local function positive_share(side)
    local share = side.label:mean():item()
    return math.min(math.max(share, 0.5 / side.n), 1 - 0.5 / side.n)
end

local function optimizer(config, parameters, bias)
    local options = config.optimizer
    local groups = { { params = parameters, weight_decay = config.training.weight_decay } }
    if bias then groups[2] = { params = { bias }, weight_decay = 0.0 } end
    return train[options.name](groups, { lr = config.training.lr, betas = options.parameters.betas,
        eps = options.parameters.eps })
end

-- Rows embedded and samples scored at a time: no more than that many hidden layers and pairs of vectors are in memory.
local BLOCK = 1024
-- Items whose vectors are kept at a time: there may be millions.
local ITEMS = 32 * BLOCK

-- The last place, from `first` on, with a position of at most `limit`; `first - 1` without any. Positions ascend.
local function last_up_to(limit, positions, first)
    local low, high = first - 1, #positions
    while low < high do
        local middle = (low + high + 1) // 2
        if positions[middle] <= limit then low = middle else high = middle - 1 end
    end
    return low
end

-- Scores of samples, which are in the order of their items: the dot product of their two vectors, in evaluation mode.
local function score(towers, stores, side)
    local users <close> = nn.embed(towers.user, stores.users, { block = BLOCK })
    local parts, first = {}, 1
    for from = 1, #stores.items, ITEMS do
        local to = math.min(from + ITEMS - 1, #stores.items)
        local last = last_up_to(to, side.item, first)
        if last >= first then
            local items <close> = nn.embed(towers.item, stores.items:rows(tensor.range(from, to)), { block = BLOCK })
            local fields = { user = side.user:slice(first, last), item = side.item:slice(first, last):shift(1 - from) }
            for batch in train.batches({ size = BLOCK, shuffle = false, fields = fields }) do
                local user <close> = users:rows(batch.user)
                local item <close> = items:rows(batch.item)
                parts[#parts + 1] = user:dot(item)
            end
            first = last + 1
        end
    end
    return tensor.concat(parts)
end

-- Loss, accuracy and logits of the samples of one side, in their order. `bias` is a number here.
local function validate(towers, stores, side, scale, bias)
    local logits = score(towers, stores, side) * scale + bias
    local loss = nn.bce_with_logits(logits, side.label):item()
    local right = frame.from_columns({
        { "score", features.to_column(logits) }, { "label", features.to_column(side.label) },
    }):eval("if((score > 0 and label > 0.5) or (score <= 0 and label < 0.5), 1.0, 0.0)")
    return loss, right:mean(), logits
end

local function run_epoch(epoch, trainer, samples, config)
    local total, steps = 0, math.ceil(samples.n / config.training.batch_size)
    local every = config.logging.every_n_steps
    local bar <close> = progress.bar({ total = steps, label = ("epoch %d"):format(epoch), unit = "steps" })
    local step = 0
    for batch in train.batches({ size = config.training.batch_size, seed = config.seed, epoch = epoch, shuffle = true,
        fields = { user = samples.user, item = samples.item, label = samples.label } }) do
        local loss = trainer:step(batch)
        step = step + 1
        require_finite(loss, ("the loss of epoch %d, step %d"):format(epoch, step))
        total = total + loss * batch.n
        bar:update(1)
        if every > 0 and step % every == 0 then
            log.info("step", json.object({ { "epoch", epoch }, { "step", step }, { "steps", steps },
                { "loss", loss } }))
        end
    end
    return total / samples.n
end

--- Trains a model.
---@param samples two_tower.Sides
---@param stores { users: tt.FeatureMatrix, items: tt.FeatureMatrix }
---@param config table effective configuration
---@return two_tower.Result
function training.run(samples, stores, config)
    local options = config.training
    local towers = model.new(stores.users:width(), stores.items:width(), config.artifacts.embedding_dim, config.seed)
    local scale = options.logit_scale
    local share = positive_share(samples.train)
    local bias = options.logit_bias
        and nn.parameter(tensor.from_table({ math.log(share / (1 - share)) })) or nil

    local function loss(batch)
        local users, items = nn.parallel({ towers.user, towers.item },
            { stores.users:rows(batch.user), stores.items:rows(batch.item) })
        local scores = users:dot(items) * scale
        if bias then scores = scores + bias end
        return nn.bce_with_logits(scores, batch.label)
    end

    local parameters = towers.user:parameters()
    table.move(towers.item:parameters(), 1, #towers.item:parameters(), #parameters + 1, parameters)
    local trainer = train.trainer({ loss = loss, optimizer = optimizer(config, parameters, bias),
        clip_norm = options.gradient_clip_norm > 0 and options.gradient_clip_norm or nil })

    local best, without_gain = nil, 0
    local result = { epochs = 0 }
    for epoch = 1, options.epochs do
        local started = time.monotonic()
        towers.user:train()
        towers.item:train()
        local train_loss = run_epoch(epoch, trainer, samples.train, config)
        local val_loss, val_acc, logits
        if samples.val.n > 0 then
            val_loss, val_acc, logits = validate(towers, stores, samples.val, scale, bias and bias:item() or 0)
            require_finite(val_loss, ("the validation loss of epoch %d"):format(epoch))
        end
        result.epochs = epoch
        local better = not val_loss or not best or val_loss < best.val_loss - 1e-4
        if better then
            best = { epoch = epoch, val_loss = val_loss, val_acc = val_acc, logits = logits,
                state = model.copy_state(towers) }
            without_gain = 0
        else
            without_gain = without_gain + 1
        end
        log.info("epoch", json.object({ { "epoch", epoch }, { "train_loss", train_loss },
            { "val_loss", val_loss or json.null }, { "val_acc", val_acc or json.null }, { "best", better },
            { "seconds", time.monotonic() - started } }))
        if without_gain > 0 and without_gain >= options.early_stopping_patience then break end
    end

    for name, weights in pairs(best.state) do
        if not weights:is_finite() then
            tt.error("training.not_finite", ("'%s' of the model is not finite"):format(name))
        end
    end
    result.state, result.best_epoch, result.best_val_loss = best.state, best.epoch, best.val_loss
    result.val_acc = best.val_acc
    if samples.val.n > 0 then
        result.val_auc = features.auc(best.logits, samples.val.label)
        -- Ranking by popularity: what a model has to beat.
        result.popularity_auc = features.auc(samples.likes:rows(samples.val.item), samples.val.label)
        local positive = samples.val.label:mean():item()
        result.trivial_loss = -(positive * math.log(share) + (1 - positive) * math.log(1 - share))
    end
    return result
end

--- The figures that go into the checkpoint and `model_meta.json`.
---@param samples two_tower.Sides
---@param result two_tower.Result
---@return table
function training.figures(samples, result)
    local figures = {
        { "train_samples", samples.train.n },
        { "val_samples", samples.val.n },
        { "best_epoch", result.best_epoch },
        { "best_val_loss", result.best_val_loss or json.null },
    }
    for _, name in ipairs({ "trivial_loss", "val_acc", "val_auc", "popularity_auc" }) do
        if result[name] then figures[#figures + 1] = { name, result[name] } end
    end
    return json.object(figures)
end

--- Logs the closing summary.
---@param samples two_tower.Sides
---@param result two_tower.Result
---@param model_facts { user_dim: integer, item_dim: integer, set: two_tower.FeatureSet, vocabularies: table }
function training.summary(samples, result, model_facts)
    local fields = {
        { "train_samples", samples.train.n }, { "val_samples", samples.val.n },
        { "user_dim", model_facts.user_dim }, { "item_dim", model_facts.item_dim },
    }
    for _, vocabulary in ipairs(model_facts.set.declared.vocabularies) do
        fields[#fields + 1] = { vocabulary.name .. "_vocab", #model_facts.vocabularies[vocabulary.name] }
    end
    fields[#fields + 1] = { "best_epoch", result.best_epoch }
    for _, name in ipairs({ "best_val_loss", "trivial_loss", "val_acc", "val_auc", "popularity_auc" }) do
        if result[name] then fields[#fields + 1] = { name, result[name] } end
    end
    log.info("summary", json.object(fields))
end

return training
