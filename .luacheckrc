std = "lua54"
max_line_length = 120
globals = { "tt" }
exclude_files = { ".build", ".venv" }
files["lua/meta"] = { ignore = { "211", "212", "221", "241" } }
