/* The C library xmlrpc-c: makes the calls it reads from its standard input; see foreign.py.

   It does what the library's own command xmlrpc does, which Debian no longer ships. Each line read is a JSON array
   of URL, method and parameters; the library turns them into its values and its results into JSON. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xmlrpc-c/base.h>
#include <xmlrpc-c/client.h>
#include <xmlrpc-c/json.h>

static void print_json(const char *what, xmlrpc_value *value) {
    xmlrpc_env env;
    xmlrpc_mem_block *text;
    xmlrpc_env_init(&env);
    text = XMLRPC_MEMBLOCK_NEW(char, &env, 0);
    xmlrpc_serialize_json(&env, value, text);
    if (env.fault_occurred)
        printf("{\"error\": \"%s\"}\n", env.fault_string);
    else
        printf("{\"%s\": ", what);
    for (size_t i = 0; !env.fault_occurred && i < XMLRPC_MEMBLOCK_SIZE(char, text); i++) {
        char c = XMLRPC_MEMBLOCK_CONTENTS(char, text)[i];
        putchar(c == '\n' ? ' ' : c); /* it is written on several lines */
    }
    if (!env.fault_occurred)
        printf("}\n");
    fflush(stdout);
    XMLRPC_MEMBLOCK_FREE(char, text);
    xmlrpc_env_clean(&env);
}

static void make_call(const char *line) {
    xmlrpc_env env, ignored;
    xmlrpc_value *call, *params, *result = NULL;
    const char *url, *method;
    xmlrpc_env_init(&env);
    xmlrpc_env_init(&ignored);
    call = xmlrpc_parse_json(&env, line);
    xmlrpc_decompose_value(&env, call, "(ssA)", &url, &method, &params);
    if (!env.fault_occurred) {
        xmlrpc_server_info *server = xmlrpc_server_info_new(&env, url);
        result = xmlrpc_client_call_server_params(&env, server, method, params);
        xmlrpc_server_info_free(server);
    }
    if (env.fault_occurred)
        result = xmlrpc_build_value(&ignored, "(is)", env.fault_code, env.fault_string);
    print_json(env.fault_occurred ? "fault" : "value", result);
    xmlrpc_DECREF(result);
    xmlrpc_env_clean(&env);
    xmlrpc_env_clean(&ignored);
}

int main(void) {
    xmlrpc_env env;
    char *line = NULL;
    size_t size = 0;
    xmlrpc_env_init(&env);
    xmlrpc_client_init2(&env, XMLRPC_CLIENT_NO_FLAGS, "callers", "1", NULL, 0);
    while (!env.fault_occurred && getline(&line, &size, stdin) > 0)
        make_call(line);
    free(line);
    xmlrpc_client_cleanup();
    return env.fault_occurred;
}
