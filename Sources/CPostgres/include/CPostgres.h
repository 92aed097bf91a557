// libpq, loaded when it is first needed: scripts that never open a PostgreSQL database neither pay for it nor need it.
//
// Each function of libpq that tt uses is here as tt_PQname, with libpq's own types and meaning. Nothing may be called
// before tt_pq_load has succeeded.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#if __has_include(<libpq-fe.h>)
#include <libpq-fe.h>
#else
#include <postgresql/libpq-fe.h>
#endif

// Loads libpq.so.5. Returns NULL, or why it cannot be used (a static text). Cheap after the first call.
const char *tt_pq_load(void);

// X(result, name, (parameters), (arguments))
#define TT_PQ_FUNCTIONS(X)                                                                                             \
    X(PGconn *, PQconnectStartParams, (const char *const *keywords, const char *const *values, int expand),            \
      (keywords, values, expand))                                                                                      \
    X(PostgresPollingStatusType, PQconnectPoll, (PGconn * connection), (connection))                                   \
    X(PQconninfoOption *, PQconninfoParse, (const char *text, char **message), (text, message))                        \
    X(PQconninfoOption *, PQconndefaults, (void), ())                                                                  \
    X(PQconninfoOption *, PQconninfo, (PGconn * connection), (connection))                                             \
    X(ConnStatusType, PQstatus, (const PGconn *connection), (connection))                                              \
    X(PGTransactionStatusType, PQtransactionStatus, (const PGconn *connection), (connection))                          \
    X(char *, PQerrorMessage, (const PGconn *connection), (connection))                                                \
    X(char *, PQpass, (const PGconn *connection), (connection))                                                        \
    X(int, PQsocket, (const PGconn *connection), (connection))                                                         \
    X(int, PQserverVersion, (const PGconn *connection), (connection))                                                  \
    X(PQnoticeProcessor, PQsetNoticeProcessor, (PGconn * connection, PQnoticeProcessor processor, void *context),      \
      (connection, processor, context))                                                                                \
    X(PGcancel *, PQgetCancel, (PGconn * connection), (connection))                                                    \
    X(int, PQcancel, (PGcancel * cancel, char *message, int size), (cancel, message, size))                            \
    X(int, PQsendQuery, (PGconn * connection, const char *query), (connection, query))                                 \
    X(int, PQsendQueryParams,                                                                                          \
      (PGconn * connection, const char *command, int count, const Oid *types, const char *const *values,               \
       const int *lengths, const int *formats, int result_format),                                                     \
      (connection, command, count, types, values, lengths, formats, result_format))                                    \
    X(int, PQsendPrepare,                                                                                              \
      (PGconn * connection, const char *name, const char *query, int count, const Oid *types),                         \
      (connection, name, query, count, types))                                                                         \
    X(int, PQsendDescribePrepared, (PGconn * connection, const char *name), (connection, name))                        \
    X(int, PQsetSingleRowMode, (PGconn * connection), (connection))                                                    \
    X(int, PQsetnonblocking, (PGconn * connection, int on), (connection, on))                                          \
    X(int, PQflush, (PGconn * connection), (connection))                                                               \
    X(int, PQconsumeInput, (PGconn * connection), (connection))                                                        \
    X(int, PQisBusy, (PGconn * connection), (connection))                                                              \
    X(PGresult *, PQgetResult, (PGconn * connection), (connection))                                                    \
    X(ExecStatusType, PQresultStatus, (const PGresult *result), (result))                                              \
    X(char *, PQresultErrorMessage, (const PGresult *result), (result))                                                \
    X(char *, PQresultErrorField, (const PGresult *result, int field), (result, field))                                \
    X(int, PQntuples, (const PGresult *result), (result))                                                              \
    X(int, PQnfields, (const PGresult *result), (result))                                                              \
    X(char *, PQfname, (const PGresult *result, int column), (result, column))                                         \
    X(Oid, PQftype, (const PGresult *result, int column), (result, column))                                            \
    X(int, PQgetisnull, (const PGresult *result, int row, int column), (result, row, column))                          \
    X(int, PQgetlength, (const PGresult *result, int row, int column), (result, row, column))                          \
    X(char *, PQgetvalue, (const PGresult *result, int row, int column), (result, row, column))                        \
    X(char *, PQcmdStatus, (PGresult * result), (result))                                                              \
    X(char *, PQcmdTuples, (PGresult * result), (result))                                                              \
    X(int, PQputCopyData, (PGconn * connection, const char *buffer, int count), (connection, buffer, count))           \
    X(int, PQputCopyEnd, (PGconn * connection, const char *message), (connection, message))                            \
    X(int, PQgetCopyData, (PGconn * connection, char **buffer, int async), (connection, buffer, async))

// The functions that give nothing back.
#define TT_PQ_PROCEDURES(X)                                                                                            \
    X(PQconninfoFree, (PQconninfoOption * options), (options))                                                         \
    X(PQfinish, (PGconn * connection), (connection))                                                                   \
    X(PQfreeCancel, (PGcancel * cancel), (cancel))                                                                     \
    X(PQclear, (PGresult * result), (result))                                                                          \
    X(PQfreemem, (void *memory), (memory))

#define TT_PQ_DECLARE(result, name, parameters, arguments) result tt_##name parameters;
#define TT_PQ_DECLARE_PROCEDURE(name, parameters, arguments) void tt_##name parameters;
TT_PQ_FUNCTIONS(TT_PQ_DECLARE)
TT_PQ_PROCEDURES(TT_PQ_DECLARE_PROCEDURE)
#undef TT_PQ_DECLARE
#undef TT_PQ_DECLARE_PROCEDURE

// A request to cancel the running statement, on its way in a thread of its own: PQcancel waits for the network without
// end. NULL when none can be made.
typedef struct tt_cancel_request tt_cancel_request;
tt_cancel_request *tt_cancel_start(PGconn *connection);
// The server has taken it, or cannot be reached.
bool tt_cancel_is_over(tt_cancel_request *request);
// Lets go of the request, which goes on by itself.
void tt_cancel_forget(tt_cancel_request *request);

// PG_DIAG_* are character macros, which Swift does not import.
enum {
    TT_PG_SQLSTATE = PG_DIAG_SQLSTATE,
    TT_PG_MESSAGE = PG_DIAG_MESSAGE_PRIMARY,
    TT_PG_HINT = PG_DIAG_MESSAGE_HINT,
    TT_PG_POSITION = PG_DIAG_STATEMENT_POSITION,
    TT_PG_CONTEXT = PG_DIAG_CONTEXT,
    TT_PG_SCHEMA = PG_DIAG_SCHEMA_NAME,
    TT_PG_TABLE = PG_DIAG_TABLE_NAME,
    TT_PG_COLUMN = PG_DIAG_COLUMN_NAME,
    TT_PG_CONSTRAINT = PG_DIAG_CONSTRAINT_NAME,
};
