--- The features of the recommender, and what they are made of. This list is the one place where a column, a list of
--- tokens or a feature is declared: what is read, matrices, scaler, schema JSON, checkpoint and the width of the
--- model's input all follow from it.
---
--- A feature belongs to an entity (`user` or `item`) and a segment. It is either a number, computed by `expr` (an
--- expression over the entity's payload) or `fn` (a function from the payload frame to a column), with `default` where
--- that gives null; or a bag of tokens over a vocabulary. A payload holds the entity's columns below, `now` (the
--- reference time of the entity), and for users what their decisions add up to: like_count, nope_count, decision_count,
--- recent_like_at, average_like_hour, mean_price, median_price. `listed` names the configuration key under `features`
--- that spells the feature out (contract of the configuration file); most features need none.

local feature_set = require("two_tower.feature_set")

return feature_set.new({
    -- Columns of `profiles` (user) and `videos` (item): their types are "number", "time" and "text". One that is
    -- `optional` is null where the table lacks it. `payload` is the place in what the payload functions of
    -- config/schema.sql give; features of a column without one can be trained and not served.
    columns = {
        user = {
            { "profile_created_at", "time", from = "created_at", payload = "profile.created_at" },
        },
        item = {
            { "price", "number", payload = "price" },
            { "duration_seconds", "number", payload = "duration_seconds" },
            { "product_released_at", "time", payload = "product_released_at" },
            { "distribution_started_at", "time", optional = true, payload = "distribution_started_at" },
            { "safety_level", "number", optional = true, payload = "safety_level" },
        },
    },

    -- Lists of tokens. Those of items come from a table of links (`link`: its name; `token`: its column of names; or
    -- `id` and `named`: its column of ids and the table that names them), or from a column of `videos` (`column`, with
    -- `type = "list"` for arrays and JSON lists); a user has the tokens of the items that the user likes. With
    -- `of = "user"` they are the user's own, from a column of `profiles`.
    tokens = {
        { name = "tags", link = "video_tags", token = "tag_name", id = "tag_id", named = "tags", payload = "tags" },
        { name = "performers", link = "video_performers", token = "performer_name", id = "performer_id",
            named = "performers", payload = "performers" },
    },

    -- Segments in the order of the vector; those of numbers come before those of tokens.
    segments = {
        user = {
            { name = "numeric", type = "standard_score" },
            { name = "hour_of_day", type = "scaled_bucket", range = { 0, 1 } },
            { name = "tag_vector", type = "l2_normalized_bow" },
            { name = "actress_vector", type = "l2_normalized_bow" },
        },
        item = {
            { name = "numeric", type = "standard_score" },
            { name = "tag_vector", type = "l2_normalized_bow" },
            { name = "actress_vector", type = "l2_normalized_bow" },
        },
    },

    -- The tokens that have a slot: those of a list that occur at least `min_freq` times, and the `max_size` (0: any
    -- number) most frequent of them. Either is a number or a key of the configuration's `artifacts` section.
    vocabularies = {
        { name = "tag", tokens = "tags", min_freq = "min_tag_freq", max_size = "max_tag_vocab" },
        { name = "actress", tokens = "performers", min_freq = "min_actress_freq", max_size = "max_actress_vocab" },
    },

    features = {
        { entity = "user", segment = "numeric", name = "account_age_days", listed = "numeric",
            expr = "days(now - profile_created_at)", default = 0 },
        { entity = "user", segment = "numeric", name = "mean_price", listed = "numeric",
            expr = "mean_price", default = 0 },
        { entity = "user", segment = "numeric", name = "median_price", listed = "numeric",
            expr = "median_price", default = 0 },
        { entity = "user", segment = "numeric", name = "like_ratio", listed = "numeric",
            expr = "if(decision_count > 0, clamp(like_count / decision_count, 0, 1), null)", default = 0.5 },
        { entity = "user", segment = "numeric", name = "like_count", listed = "numeric",
            expr = "like_count", default = 0 },
        { entity = "user", segment = "numeric", name = "nope_count", listed = "numeric",
            expr = "nope_count", default = 0 },
        { entity = "user", segment = "numeric", name = "decision_count", listed = "numeric",
            expr = "coalesce(decision_count, like_count + nope_count)", default = 0 },
        { entity = "user", segment = "numeric", name = "recent_like_days", listed = "numeric",
            expr = "days(now - recent_like_at)", default = 0 },
        { entity = "user", segment = "hour_of_day", name = "hour_of_day", listed = "bucketized",
            expr = "clamp(average_like_hour, 0, 23) / 23", default = 12 / 23 },
        { entity = "user", segment = "tag_vector", name = "tag_histogram", listed = "aggregations",
            vocabulary = "tag" },
        { entity = "user", segment = "actress_vector", name = "actress_histogram", listed = "aggregations",
            vocabulary = "actress" },

        { entity = "item", segment = "numeric", name = "price",
            expr = "price", default = 0 },
        { entity = "item", segment = "numeric", name = "recency_days", listed = "aggregations",
            expr = "days(now - product_released_at)", default = 0 },
        { entity = "item", segment = "numeric", name = "duration_seconds",
            expr = "duration_seconds", default = 0 },
        { entity = "item", segment = "tag_vector", name = "tag_histogram",
            vocabulary = "tag" },
        { entity = "item", segment = "actress_vector", name = "actress_histogram",
            vocabulary = "actress" },
    },
})
