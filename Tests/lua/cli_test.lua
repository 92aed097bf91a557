local t = require "tt.test"
local cli = require "tt.cli"

local spec = {
    name = "load.lua",
    summary = "Loads a folder into a database.",
    description = "Reads every file of the folder, checks it, and writes all rows in one transaction; what is there "
        .. "already is replaced.",
    options = {
        { flag = "--pg-dsn", value = "DSN", help = "PostgreSQL connection.", env = "LOAD_PG", secret = true },
        { flag = "--db", value = "DSN", help = "Any database, sqlite:PATH for SQLite.", env = "LOAD_DB" },
        { flag = "--page-size", aliases = { "--remote-page-size" }, type = "int", default = 1000, min = 1, max = 10000,
            help = "Rows a page.", env = "LOAD_PAGE" },
        { flag = "--rate", type = "number", above = 0, help = "Learning rate." },
        { flag = "--out", short = "-o", type = "path", default = "out/folder", help = "Where results go." },
        { flag = "--format", choices = { "csv", "json" }, default = "csv", help = "Format of the results." },
        { flag = "--set", value = "KEY=VALUE", multiple = true, help = "Overrides a setting." },
        { flag = "--dry-run", short = "-n", help = "Write nothing." },
        { flag = "--colour", default = true, help = "Paint." },
        { flag = "--service-role-key", value = "KEY", env = "SERVICE_KEY", default = "abc", secret = true,
            help = "Key of the service." },
        { flag = "--a-very-long-flag-name-indeed", value = "SOMETHING", help = "Has its text on the next line, "
            .. "which is long enough to be wrapped once more behind the column." },
    },
    positional = {
        { name = "DIR", type = "path", help = "Folder to load." },
        { name = "FILE", multiple = true, required = false, help = "Only these files." },
    },
    exclusive = { { "--pg-dsn", "--db", required = true } },
    examples = { "tt load.lua --db sqlite:a.db data" },
}

local HELP = [[
Usage: tt load.lua (--pg-dsn DSN | --db DSN) [options] DIR [FILE...]

Loads a folder into a database.

Reads every file of the folder, checks it, and writes all rows in one transaction; what is there
already is replaced.

Arguments:
  DIR   Folder to load.
  FILE  Only these files. (may be repeated)

Options:
  --pg-dsn DSN            PostgreSQL connection. (environment LOAD_PG)
  --db DSN                Any database, sqlite:PATH for SQLite. (environment LOAD_DB)
  --page-size N           Rows a page. (int 1..10000; default 1000; environment LOAD_PAGE; also
                          --remote-page-size)
  --rate NUMBER           Learning rate. (number above 0)
  -o, --out PATH          Where results go. (default out/folder)
  --format NAME           Format of the results. (one of csv, json; default csv)
  --set KEY=VALUE         Overrides a setting. (may be repeated)
  -n, --dry-run           Write nothing.
  --[no-]colour           Paint. (default true)
  --service-role-key KEY  Key of the service. (environment SERVICE_KEY)
  --a-very-long-flag-name-indeed SOMETHING
                          Has its text on the next line, which is long enough to be wrapped once
                          more behind the column.
  -h, --help              Show this text and exit.

Examples:
  tt load.lua --db sqlite:a.db data
]]

local function parse(args, variables)
    return cli.parse(spec, args, function(name) return (variables or {})[name] end)
end

local function wrong(args, variables)
    local ok, problem = pcall(parse, args, variables)
    if ok then return "no error" end
    t.equal(problem.code, "usage")
    return (problem.message:gsub("\nTry 'tt load.lua %-%-help'%.$", ""))
end

t.test("the help is complete and aligned", function()
    t.equal(cli.help(spec), HELP)
end)

t.test("the help of a script without options", function()
    t.equal(cli.help { name = "a.lua" }, [[
Usage: tt a.lua [options]

Options:
  -h, --help  Show this text and exit.
]])
end)

t.test("every form of an option is read", function()
    local options, origin = parse({
        "--db", "sqlite:a.db", "--page-size=20", "--rate", "1e-3", "-oresults", "--format", "json", "--set", "a=1",
        "--set=b=2", "-n", "--no-colour", "data", "--", "-x", "y",
    })
    t.equal(options.db, "sqlite:a.db")
    t.equal(options.page_size, 20)
    t.equal(options.rate, 0.001)
    t.equal(options.out, "results")
    t.equal(options.format, "json")
    t.equal(options.set, { "a=1", "b=2" })
    t.equal(options.dry_run, true)
    t.equal(options.colour, false)
    t.equal(options.dir, "data")
    t.equal(options.file, { "-x", "y" })
    t.equal(origin.db, "flag")
    t.equal(origin.dir, "argument")
    t.equal(origin.service_role_key, nil)
end)

t.test("defaults fill what is not given", function()
    local options = parse { "--db=x", "data" }
    t.equal(options.page_size, 1000)
    t.equal(options.rate, nil)
    t.equal(options.out, "out/folder")
    t.equal(options.set, {})
    t.equal(options.file, {})
    t.equal(options.dry_run, false)
    t.equal(options.colour, true)
    t.equal(options.pg_dsn, nil)
end)

t.test("aliases, negative numbers, last value and explicit booleans", function()
    t.equal(parse({ "--db=x", "--remote-page-size", "5", "--page-size", "6", "data" }).page_size, 6)
    t.equal(parse({ "--db=x", "--dry-run=false", "data" }).dry_run, false)
    t.equal(parse({ "--db=x", "--dry-run=yes", "data" }).dry_run, true)
    t.equal(parse({ "--db=x", "-1", "-" }).dir, "-1")
    local number = { name = "n.lua", options = { { flag = "--x", type = "number" }, { flag = "--i", type = "int" } } }
    t.equal(cli.parse(number, { "--x", "-2.5", "--i", "-3" }), { x = -2.5, i = -3 })
    t.equal(math.type(cli.parse(number, { "--x", "2" }).x), "float")
end)

t.test("a flag beats its variable, and the variable of its group", function()
    local options, origin = parse({ "--db=x", "data" }, { LOAD_PAGE = "7", LOAD_PG = "host=a", LOAD_DB = "y" })
    t.equal(options.page_size, 7)
    t.equal(origin.page_size, "environment")
    t.equal(options.db, "x")
    t.equal(options.pg_dsn, nil)
    options = parse({ "--page-size=8", "data" }, { LOAD_PAGE = "7", LOAD_PG = "host=a", LOAD_DB = "" })
    t.equal(options.page_size, 8)
    t.equal(options.pg_dsn, "host=a")
    t.equal(wrong({ "data" }, { LOAD_PG = "a", LOAD_DB = "b" }),
        "options '--pg-dsn' (from LOAD_PG) and '--db' (from LOAD_DB) exclude each other")
end)

t.test("wrong usage names the option and what to do", function()
    t.equal(wrong { "--db=x", "--page-sise", "5", "data" }, "unknown option '--page-sise'; did you mean '--page-size'?")
    t.equal(wrong { "--db=x", "--zzz", "data" }, "unknown option '--zzz'")
    t.equal(wrong { "--db=x", "-q", "data" }, "unknown option '-q'")
    t.equal(wrong { "--db=x", "--page-size", "0", "data" }, "option '--page-size' must be in 1..10000, not '0'")
    t.equal(wrong { "--db=x", "--page-size=1.5", "data" }, "option '--page-size' must be a whole number, not '1.5'")
    t.equal(wrong { "--db=x", "--page-size=99999999999999999999", "data" },
        "option '--page-size' must be a whole number, not '99999999999999999999'")
    t.equal(wrong { "--db=x", "--rate=0", "data" }, "option '--rate' must be above 0, not '0'")
    t.equal(wrong { "--db=x", "--rate=nan", "data" }, "option '--rate' must be a number, not 'nan'")
    t.equal(wrong { "--db=x", "--rate=1e999", "data" }, "option '--rate' must be a number, not '1e999'")
    t.equal(wrong { "--db=x", "--format=xml", "data" }, "option '--format' must be one of csv, json, not 'xml'")
    t.equal(wrong { "--db=x", "--out=", "data" }, "option '--out' must not be empty, not ''")
    t.equal(wrong { "--db=x", "--dry-run=maybe", "data" }, "option '--dry-run' must be true or false, not 'maybe'")
    t.equal(wrong { "--db", "--dry-run", "data" }, "option '--db' needs a value: --db DSN")
    t.equal(wrong { "data", "--db" }, "option '--db' needs a value: --db DSN")
    t.equal(wrong { "--db=x" }, "missing argument DIR")
    t.equal(wrong { "data" }, "one of '--pg-dsn DSN', '--db DSN' is required")
    t.equal(wrong { "--db=x", "--pg-dsn=y", "data" }, "options '--pg-dsn' and '--db' exclude each other")
    t.equal(wrong({ "--db=x", "data" }, { LOAD_PAGE = "many" }),
        "environment variable LOAD_PAGE must be a whole number, not 'many'")
    local one = { name = "one.lua", options = { { flag = "--version", value = "V", required = true, env = "ONE_V" } } }
    local ok, problem = pcall(cli.parse, one, {}, function() end)
    t.equal(ok, false)
    t.equal(problem.message,
        "missing option '--version V' (or environment variable ONE_V)\nTry 'tt one.lua --help'.")
    ok, problem = pcall(cli.parse, { name = "none.lua" }, { "x" })
    t.equal(ok, false)
    t.equal(problem.message, "unexpected argument 'x'\nTry 'tt none.lua --help'.")
end)

t.test("values of secret options are not repeated in errors", function()
    local secret = { name = "s.lua", options = { { flag = "--pin", type = "int", secret = true } } }
    local ok, problem = pcall(cli.parse, secret, { "--pin=hunter2" })
    t.equal(ok, false)
    t.equal(problem.message, "option '--pin' must be a whole number\nTry 'tt s.lua --help'.")
end)

t.test("a declaration that contradicts itself is refused", function()
    local function mistake(declaration)
        local ok, problem = pcall(cli.parse, declaration, {})
        if ok then return "no error" end
        t.equal(problem.code, "argument")
        return problem.message
    end
    t.equal(mistake { name = "a", options = { { flag = "--a", hlep = "x" } } },
        "cli: option 1: unknown option 'hlep' (did you mean 'help'?)")
    t.equal(mistake { name = "a", options = { { flag = "a" } } }, "cli: option 1 needs a flag such as '--name'")
    t.equal(mistake { name = "a", options = { { flag = "--a" }, { flag = "--a", key = "b" } } },
        "cli: '--a' is declared twice")
    t.equal(mistake { name = "a", options = { { flag = "--a", type = "date" } } },
        "cli: option '--a' has an unknown type 'date'")
    t.equal(mistake { name = "a", exclusive = { { "--b" } } }, "cli: '--b' of an exclusive group is not declared")
    t.equal(mistake { options = {} }, "cli: the declaration needs the name of the script")
    t.equal(mistake { name = "a", positional = { {} } }, "cli: positional 1 needs a name")
    t.equal(mistake { name = "a", exclusive = { "--b" } }, "cli: exclusive group 1 must be a list of flags")
end)

t.test("arguments of another kind are refused", function()
    local option = { flag = "--a" }
    t.error("cli: the declaration: table expected, got number", cli.parse, 5)
    t.error("cli: the declaration: field 'options': table expected, got number", cli.help, { name = "a", options = 5 })
    t.error("cli: option 1: table expected, got string", cli.parse, { name = "a", options = { "--a" } })
    t.error("bad argument #2 to 'parse' (table expected, got number)", cli.parse, { name = "a" }, 5)
    t.error("bad argument #2 to 'parse' (element 1: string expected, got number)", cli.parse,
        { name = "a", options = { option } }, { 5 })
    t.error("bad argument #3 to 'parse' (function expected, got string)", cli.parse, { name = "a" }, {}, "HOME")
    t.error("bad argument #1 to 'outside' (number expected, got string)", cli.outside, "x", {})
    t.error("bad argument #2 to 'outside' (table expected, got nil)", cli.outside, 1)
end)

t.test("ranges are described", function()
    t.equal(cli.outside(5, { min = 6 }), "must be at least 6")
    t.equal(cli.outside(5, { max = 4 }), "must be at most 4")
    t.equal(cli.outside(1, { min = 0, below = 1 }), "must be at least 0 and below 1")
    t.equal(cli.outside(0, { above = 0 }), "must be above 0")
    t.equal(cli.outside(0.5, { min = 0, below = 1 }), nil)
end)

t.test("secret values leave the list of processes, others stay", function()
    local shell = dofile(arg[0]:match("^(.*)/[^/]*$") .. "/support/shell.lua")
    local code = [[
        local given = tt.cli.parse { name = "it", options = {
            { flag = "--key", value = "KEY", short = "-k", secret = true }, { flag = "--name", value = "NAME" } } }
        local shown = io.open("/proc/self/cmdline"):read("a"):match("[^%z]*%z[^%z]*%z[^%z]*%z(.*)%z$"):gsub("%z", " ")
        print(given.key, given.name, shown)
    ]]
    for _, words in ipairs { { "--key", "sesame", "--name", "plain" }, { "--key=sesame", "--name=plain" },
        { "-ksesame", "--name", "plain" } } do
        local output, status = shell.capture(shell.words(shell.program, "-e", code, table.unpack(words)))
        t.equal(status, 0, output)
        t.equal(output, "sesame\tplain\t" .. table.concat(words, " "):gsub("sesame", "******") .. "\n")
    end
end)
