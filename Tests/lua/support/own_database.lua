-- A database of a run's own for scripts of the shell, on the server of TT_TEST_PG_DSN.
--   tt own_database.lua make LABEL     makes it and prints its DSN
--   tt own_database.lua drop DSN       drops it
local databases = dofile(arg[0]:match("^(.*)/[^/]*$") .. "/databases.lua")

if arg[1] == "make" then
    print(databases.open():make(arg[2]))
else
    databases.drop(arg[2])
end
