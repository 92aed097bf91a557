import Base
import CSystem
import LuaHost

/// The native half of `tt.cli`; `lua/tt/cli.lua` is the module.
enum CLIModule {
    static var module: LuaModule {
        LuaModule(
            "tt.cli",
            functions: [
                // cli.nearest(name, names) -> name | nil
                "nearest": { call in
                    let near = Suggestion.nearest(to: try call[1].string(), in: try call[2].strings())
                    return call.push(near)
                },
                // cli.conceal(word)
                "conceal": { call in
                    Secrets.conceal(inArguments: try call[1].string())
                    return 0
                },
                // cli.columns() -> columns | nil
                "columns": { call in
                    let columns = Int(tt_terminal_columns(2))
                    return columns > 0 ? call.push(columns) : call.push(nil)
                },
            ])
    }
}
