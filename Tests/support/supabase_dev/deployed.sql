-- The tables as they stand at Supabase: names apart from their links.
CREATE EXTENSION IF NOT EXISTS vector;

CREATE TABLE profiles (
    user_id uuid PRIMARY KEY,
    display_name text,
    created_at timestamptz DEFAULT now()
);

CREATE TABLE videos (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    external_id text,
    title text,
    description text,
    thumbnail_url text,
    preview_video_url text,
    distribution_code text,
    maker_code text,
    director text,
    series text,
    maker text,
    label text,
    sample_video_url text,
    source text,
    product_url text,
    price numeric,
    duration_seconds integer,
    image_urls text[],
    product_released_at timestamptz,
    distribution_started_at timestamptz,
    published_at timestamptz,
    created_at timestamptz DEFAULT now(),
    safety_level smallint DEFAULT 0,
    region_codes text[] DEFAULT '{}',
    is_active boolean DEFAULT true
);

CREATE TABLE tags (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text);
CREATE TABLE performers (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text);

CREATE TABLE video_tags (
    video_id uuid NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
    tag_id uuid NOT NULL REFERENCES tags (id) ON DELETE CASCADE,
    PRIMARY KEY (video_id, tag_id)
);
CREATE INDEX ON video_tags (tag_id);

CREATE TABLE video_performers (
    video_id uuid NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
    performer_id uuid NOT NULL REFERENCES performers (id) ON DELETE CASCADE,
    PRIMARY KEY (video_id, performer_id)
);
CREATE INDEX ON video_performers (performer_id);

-- Likes may name videos and users that are gone, so nothing refers from here.
CREATE TABLE user_video_decisions (
    user_id uuid NOT NULL,
    video_id uuid NOT NULL,
    decision_type text NOT NULL,
    created_at timestamptz DEFAULT now(),
    PRIMARY KEY (user_id, video_id)
);
CREATE INDEX ON user_video_decisions (video_id);

CREATE TABLE video_embeddings (
    video_id uuid PRIMARY KEY,
    embedding vector(256) NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);
