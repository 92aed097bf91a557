---@meta tt.parquet

-- Parquet files: frames written to and read from them, whole or by row group.
--
-- What columns become when they are written, every one of them optional, that is nullable:
--   int64 INT64; float32 FLOAT; float64 DOUBLE; bool BOOLEAN; string BYTE_ARRAY (String);
--   timestamp INT64 (Timestamp, microseconds, UTC); uuid String, or FIXED_LEN_BYTE_ARRAY(16) (UUID) by option;
--   list<T> the standard three levels, group (List) { repeated group list { optional T element } }.
--
-- What columns are read as:
--   integers of all widths, TIME (microseconds since midnight) int64; FLOAT, Float16 float32; DOUBLE, DECIMAL float64;
--   BOOLEAN bool; Timestamp (nanoseconds rounded down; without time zone taken as UTC), DATE, INT96 timestamp;
--   UUID uuid; String, Enum, JSON and plain bytes string; lists of these list<T>.
-- Data pages v1 and v2, all encodings, and the codecs none, snappy, gzip, zstd, lz4_raw are read. Structs, maps, lists
-- of lists, intervals, other codecs and encrypted files are refused with a message that says why; the other columns of
-- such a file can be read by naming them in `columns`.
--
-- Errors name file, column, row group and page: `parquet.out_of_spec` (a damaged file), `parquet.unsupported`,
-- `parquet.bad_parameter`, `parquet.would_allocate_too_much`, `parquet.closed`; from the system `fs.not_found`,
-- `fs.denied`, `fs.failed`.

---@class tt.parquet
local parquet = {}

---@class tt.parquet.WriteOptions
---@field compression? "snappy"|"zstd"|"none" of the pages (default: "snappy")
---@field compression_level? integer of zstd, 1 (fast) to 19 (small) (default: 3)
---@field row_group_rows? integer rows of a row group (default: 122880)
---@field page_bytes? integer size at which a data page ends, before compression (default: 1048576)
---@field dictionary? boolean all but floats and booleans through a dictionary where that is smaller (default: true)
---@field byte_stream_split? string[]|boolean float columns, and lists of floats, stored as byte streams, which
---compresses them better; true for all (default: none)
---@field binary? string[] string columns stored as plain bytes; the others must be valid UTF-8 (default: none)
---@field uuid? "string"|"fixed" UUIDs as canonical text, or as 16 bytes with the UUID type (default: "string")
---@field metadata? table<string, string> pairs for the footer, in byte order of the keys unless the table has an order

---@class tt.parquet.ReadOptions
---@field columns? string[] which and in what order (default: all)
---@field max_bytes? integer how much memory the rows may take, against files that claim more than they can hold
---(default: 1 GiB or a thousand times the file's size, whichever is more)

---@class tt.parquet.Column
---@field name string
---@field dtype? string what the column is read as; nil when it cannot be read
---@field nullable boolean whether rows may be null
---@field stored_as string the type in the file: `BYTE_ARRAY (String)`, `List of FLOAT`, `group`
---@field obstacle? string why the column cannot be read

--- Writes a frame as a file. It appears under its name when it is complete. Equal rows and options give equal bytes.
---
--- ```lua
--- local frame = tt.frame.from_table({ { id = 1, name = "a" }, { id = 2, name = "b" } })
--- local bytes = tt.parquet.write("a.parquet", frame, { compression = "zstd", metadata = { made_by = "me" } })
--- assert(bytes == tt.fs.stat("a.parquet").size)
--- assert(tt.parquet.read("a.parquet"):height() == 2)
--- ```
---
--- Raises `parquet.bad_parameter` (an option names no column; a string is not UTF-8), `parquet.unsupported` (lists of
--- lists), `fs.not_found` for a missing folder, `fs.denied`, `fs.failed`.
---@param path string
---@param frame tt.Frame a frame without rows gives a file with the columns and no rows
---@param opts? tt.parquet.WriteOptions
---@return integer bytes size of the file
function parquet.write(path, frame, opts) end

--- Opens a writer for a file that is written frame by frame; memory stays at one row group and one frame.
---
--- The file appears at `close`. A writer that is aborted, collected, or left by an error in its scope leaves nothing.
---
--- ```lua
--- local writer <close> = tt.parquet.writer("a.parquet", { row_group_rows = 1000 })
--- for part = 1, 3 do writer:write(tt.frame.from_table({ { part = part } })) end
--- writer:close()
--- assert(tt.parquet.open("a.parquet"):height() == 3)
--- ```
---
--- Raises `parquet.bad_parameter`, `fs.not_found` for a missing folder, `fs.denied`, `fs.failed`.
---@param path string
---@param opts? tt.parquet.WriteOptions
---@return tt.ParquetWriter
function parquet.writer(path, opts) end

--- Reads a file into a frame.
---
--- ```lua
--- tt.parquet.write("a.parquet", tt.frame.from_table({ { id = 1, name = "a", price = 2.5 } }))
--- local frame = tt.parquet.read("a.parquet", { columns = { "price", "id" } })
--- assert(table.concat(frame:columns(), " ") == "price id")
--- ```
---
--- Raises `parquet.out_of_spec`, `parquet.unsupported`, `parquet.bad_parameter` (no such column),
--- `parquet.would_allocate_too_much`, `memory`, `fs.not_found`, `fs.denied`, `fs.failed`, `fs.changed` when the file
--- becomes shorter meanwhile.
---@param path string
---@param opts? tt.parquet.ReadOptions
---@return tt.Frame
function parquet.read(path, opts) end

--- Opens a file and reads its footer; rows are read when they are asked for, from the file as it is then.
---
--- ```lua
--- tt.parquet.write("a.parquet", tt.frame.from_table({ { id = 1 }, { id = 2 }, { id = 3 } }), { row_group_rows = 2 })
--- local file <close> = tt.parquet.open("a.parquet")
--- local heights = {}
--- for frame in file:row_groups() do heights[#heights + 1] = frame:height() end
--- assert(table.concat(heights, " ") == "2 1")
--- ```
---
--- Raises `parquet.out_of_spec`, `parquet.unsupported` (encrypted), `fs.not_found`, `fs.denied`, `fs.failed`.
---@param path string
---@param opts? { max_bytes?: integer } how much memory one read may take, as in `parquet.read`
---@return tt.ParquetFile
function parquet.open(path, opts) end

--- Describes the columns of a file, those that cannot be read too.
---
--- ```lua
--- tt.parquet.write("a.parquet", tt.frame.from_table({ { name = "x" } }))
--- local column = tt.parquet.schema("a.parquet")[1]
--- assert(column.name == "name" and column.dtype == "string" and column.stored_as == "BYTE_ARRAY (String)")
--- ```
---
--- Raises `parquet.out_of_spec`, `parquet.unsupported` (encrypted), `fs.not_found`, `fs.denied`, `fs.failed`.
---@param path string
---@return tt.parquet.Column[]
function parquet.schema(path) end

---@class tt.ParquetFile
local File = {}

--- Describes the columns, as `parquet.schema` does.
---
--- ```lua
--- tt.parquet.write("a.parquet", tt.frame.from_table({ { id = 1 } }))
--- assert(tt.parquet.open("a.parquet"):schema()[1].stored_as == "INT64")
--- ```
---@return tt.parquet.Column[]
function File:schema() end

--- Returns the key-value pairs of the footer.
---
--- ```lua
--- tt.parquet.write("a.parquet", tt.frame.from_table({ { id = 1 } }), { metadata = { model = "abc" } })
--- assert(tt.parquet.open("a.parquet"):metadata().model == "abc")
--- ```
---@return table<string, string>
function File:metadata() end

--- Returns the name of the program that wrote the file, if it says so.
---
--- ```lua
--- tt.parquet.write("a.parquet", tt.frame.from_table({ { id = 1 } }))
--- assert(tt.parquet.open("a.parquet"):created_by() == "tt version " .. tt.version)
--- ```
---@return string?
function File:created_by() end

--- Returns the number of rows.
---
--- ```lua
--- tt.parquet.write("a.parquet", tt.frame.from_table({ { id = 1 } }))
--- assert(tt.parquet.open("a.parquet"):height() == 1)
--- ```
---@return integer rows
function File:height() end

--- Returns the number of rows of each row group.
---
--- ```lua
--- tt.parquet.write("a.parquet", tt.frame.from_table({ { id = 1 }, { id = 2 } }), { row_group_rows = 1 })
--- assert(#tt.parquet.open("a.parquet"):row_group_heights() == 2)
--- ```
---@return integer[] rows
function File:row_group_heights() end

--- Reads all rows.
---
--- ```lua
--- tt.parquet.write("a.parquet", tt.frame.from_table({ { id = 1, name = "a" } }))
--- assert(tt.parquet.open("a.parquet"):read({ columns = { "name" } }):width() == 1)
--- ```
---
--- Raises as `parquet.read`, and `parquet.closed`.
---@param opts? { columns?: string[] } which columns and in what order (default: all)
---@return tt.Frame
function File:read(opts) end

--- Reads one row group.
---
--- ```lua
--- tt.parquet.write("a.parquet", tt.frame.from_table({ { id = 1 }, { id = 2 } }), { row_group_rows = 1 })
--- assert(tt.parquet.open("a.parquet"):read_row_group(2).id[1] == 2)
--- ```
---
--- Raises as `parquet.read`, and `parquet.closed`.
---@param group integer counted from 1
---@param opts? { columns?: string[] } which columns and in what order (default: all)
---@return tt.Frame
function File:read_row_group(group, opts) end

--- Iterates over the row groups as frames, so that a file larger than memory can be worked through.
---
--- ```lua
--- tt.parquet.write("a.parquet", tt.frame.from_table({ { id = 1 }, { id = 2 } }), { row_group_rows = 1 })
--- local sum = 0
--- for frame in tt.parquet.open("a.parquet"):row_groups({ columns = { "id" } }) do sum = sum + frame.id[1] end
--- assert(sum == 3)
--- ```
---
--- Raises as `parquet.read`, and `parquet.closed`.
---@param opts? { columns?: string[] } which columns and in what order (default: all)
---@return fun(): tt.Frame?
function File:row_groups(opts) end

--- Closes the file. Frames that were read stay as they are.
---
--- ```lua
--- tt.parquet.write("a.parquet", tt.frame.from_table({ { id = 1 } }))
--- local file = tt.parquet.open("a.parquet")
--- file:close()
--- assert(not pcall(file.read, file))
--- ```
function File:close() end

---@class tt.ParquetWriter
local Writer = {}

--- Adds the rows of a frame. The first frame gives the columns; later ones must have the same, in any order.
---
--- ```lua
--- local writer = tt.parquet.writer("a.parquet")
--- writer:write(tt.frame.from_table({ { id = 1 } }))
--- assert(writer:height() == 1)
--- writer:close()
--- ```
---
--- Raises as `parquet.write`, and `parquet.closed`. After an error the writer is of no more use and leaves no file.
---@param frame tt.Frame
function Writer:write(frame) end

--- Returns the number of rows written so far.
---
--- ```lua
--- assert(tt.parquet.writer("a.parquet"):height() == 0)
--- ```
---@return integer rows
function Writer:height() end

--- Writes what is left, flushes, and gives the file its name.
---
--- ```lua
--- local writer = tt.parquet.writer("a.parquet")
--- writer:write(tt.frame.from_table({ { id = 1 } }))
--- assert(writer:close() == tt.fs.stat("a.parquet").size)
--- ```
---
--- Raises `parquet.bad_parameter` when no frame was written, `parquet.closed` when closed before, `fs.failed`.
---@return integer bytes size of the file
function Writer:close() end

--- Drops the file; one that was there before under its name stays. Does nothing after `close`.
---
--- ```lua
--- local writer = tt.parquet.writer("none.parquet")
--- writer:abort()
--- assert(not tt.fs.exists("none.parquet"))
--- ```
function Writer:abort() end

return parquet
