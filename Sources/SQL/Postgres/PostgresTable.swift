import Base
import CPostgres
import Frames

/// A table as the catalogs describe it.
struct PostgresTable {
    struct Column {
        let name: String
        /// As the server spells it, with modifiers: `numeric(10,2)`, `vector(3)`.
        let type: String
        let form: PostgresForm
        var isJSON = false
        var isNullable = true
        var isKey = false
        var defaultValue: String?
    }

    let name: String
    let quoted: String
    let columns: [Column]
    let primaryKey: [String]

    func column(_ wanted: String) throws -> Column {
        if let column = columns.first(where: { $0.name == wanted }) { return column }
        throw TableError.noColumn(wanted, in: name, among: columns.map(\.name))
    }

    func key(_ given: [String], of frame: Frame) throws -> [String] {
        try TableError.checkKey(given.isEmpty ? primaryKey : given, given: given, table: name, frame: frame)
    }
}

extension PostgresConnection {
    func table(_ name: String) throws -> PostgresTable {
        let quoted = try Identifier.quote(Identifier.parts(of: name))
        let rows = try rows(
            """
            SELECT a.attname, a.atttypid::text, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull::text,
                pg_catalog.pg_get_expr(d.adbin, d.adrelid),
                (SELECT pg_catalog.array_position(i.indkey::int2[], a.attnum)::text FROM pg_catalog.pg_index i
                    WHERE i.indrelid = a.attrelid AND i.indisprimary)
            FROM pg_catalog.pg_attribute a
            LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
            WHERE a.attrelid = pg_catalog.to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
            """, [.string(quoted)])
        guard !rows.isEmpty else { throw TableError.noTable(name, among: try tables()) }
        let oids = rows.compactMap { $0[1].flatMap { UInt32($0) } }
        try learn(oids)
        let columns = zip(rows, oids).map { row, oid in
            PostgresTable.Column(
                name: row[0] ?? "", type: row[2] ?? "", form: types[oid]?.form ?? .other,
                isJSON: oid == PostgresType.json || oid == PostgresType.jsonb, isNullable: row[3] != "true",
                isKey: row[5] != nil, defaultValue: row[4])
        }
        // Position within the key, which need not be the order of the columns.
        let key = zip(rows, columns).filter { $0.0[5] != nil }.sorted { (Int($0.0[5]!) ?? 0) < (Int($1.0[5]!) ?? 0) }
        return PostgresTable(name: name, quoted: quoted, columns: columns, primaryKey: key.map(\.1.name))
    }

    func tables() throws -> [String] {
        try rows(
            """
            SELECT t.name FROM (
                SELECT CASE WHEN pg_catalog.pg_table_is_visible(c.oid) THEN c.relname::text
                    ELSE n.nspname || '.' || c.relname END AS name
                FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
                    AND n.nspname NOT LIKE 'pg\\_toast%' AND NOT pg_catalog.pg_is_other_temp_schema(n.oid)
                    AND NOT c.relispartition
            ) AS t ORDER BY t.name COLLATE "C"
            """
        ).compactMap { $0[0] }
    }

    func columns(of name: String) throws -> [TableColumn] {
        try table(name).columns.map {
            TableColumn(
                name: $0.name, type: $0.type, dtype: $0.form.dtype, isNullable: $0.isNullable, isKey: $0.isKey,
                defaultValue: $0.defaultValue)
        }
    }
}
