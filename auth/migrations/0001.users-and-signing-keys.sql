-- Users, their roles, and the keys that sign their tokens.
-- depends:

CREATE TABLE users (
    id            uuid PRIMARY KEY,
    username      text NOT NULL,
    -- Compared in this form, so that Ada and ADA are one name.
    username_key  text NOT NULL,
    email         text NOT NULL,
    email_key     text NOT NULL,
    password_hash text NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT users_username_key_unique UNIQUE (username_key),
    CONSTRAINT users_email_key_unique UNIQUE (email_key)
);

CREATE TABLE user_roles (
    user_id    uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role       text NOT NULL,
    granted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, role)
);

CREATE TABLE signing_keys (
    kid                   text PRIMARY KEY,
    algorithm             text NOT NULL,
    state                 text NOT NULL CHECK (state IN ('active', 'retiring')),
    public_key_pem        text NOT NULL,
    -- AES-256-GCM: 12 bytes nonce, then ciphertext and tag; the kid is authenticated with it.
    private_key_encrypted bytea NOT NULL,
    created_at            timestamptz NOT NULL DEFAULT now(),
    -- A retiring key signs nothing; it verifies what it signed until here.
    expires_at            timestamptz
);

CREATE UNIQUE INDEX signing_keys_one_active ON signing_keys (state) WHERE state = 'active';
