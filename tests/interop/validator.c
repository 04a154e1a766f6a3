/* UserLand's eight methods by xmlrpc-c's client: `validator URL`. Any surprise is a line and exit code 1. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xmlrpc-c/base.h>
#include <xmlrpc-c/client.h>

static xmlrpc_env env;
static const char *url;

static void check(const char *what) {
    if (env.fault_occurred) {
        fprintf(stderr, "%s: fault %d: %s\n", what, env.fault_code, env.fault_string);
        exit(1);
    }
}

static void equal(const char *what, long got, long due) {
    if (got != due) {
        fprintf(stderr, "%s: %ld, not %ld\n", what, got, due);
        exit(1);
    }
}

/* Takes an int out of a struct. */
static int member(xmlrpc_value *answer, const char *name) {
    xmlrpc_value *found;
    int number;
    xmlrpc_struct_find_value(&env, answer, name, &found);
    check(name);
    xmlrpc_read_int(&env, found, &number);
    check(name);
    xmlrpc_DECREF(found);
    return number;
}

int main(int argc, char **argv) {
    xmlrpc_value *answer, *given;
    int number, at;

    if (argc != 2) return 2;
    url = argv[1];
    xmlrpc_env_init(&env);
    xmlrpc_client_init2(&env, XMLRPC_CLIENT_NO_FLAGS, "validator", "1", NULL, 0);
    check("client");

    answer = xmlrpc_client_call(&env, url, "validator1.arrayOfStructsTest", "(({s:i,s:i,s:i}{s:i,s:i,s:i}))", "moe", 5,
                                "larry", 6, "curly", 21, "moe", 5, "larry", 6, "curly", -7);
    check("arrayOfStructsTest");
    xmlrpc_read_int(&env, answer, &number);
    check("arrayOfStructsTest");
    equal("arrayOfStructsTest", number, 14);
    xmlrpc_DECREF(answer);

    answer = xmlrpc_client_call(&env, url, "validator1.countTheEntities", "(s)", "<<>&&&''\"x\"");
    check("countTheEntities");
    equal("<", member(answer, "ctLeftAngleBrackets"), 2);
    equal(">", member(answer, "ctRightAngleBrackets"), 1);
    equal("&", member(answer, "ctAmpersands"), 3);
    equal("'", member(answer, "ctApostrophes"), 2);
    equal("\"", member(answer, "ctQuotes"), 2);
    xmlrpc_DECREF(answer);

    answer = xmlrpc_client_call(&env, url, "validator1.easyStructTest", "({s:i,s:i,s:i})", "moe", 1, "larry", 2, "curly", 39);
    check("easyStructTest");
    xmlrpc_read_int(&env, answer, &number);
    check("easyStructTest");
    equal("easyStructTest", number, 42);
    xmlrpc_DECREF(answer);

    answer = xmlrpc_client_call(&env, url, "validator1.echoStructTest", "({s:{s:i},s:i})", "inner", "deep", 7, "flat", 8);
    check("echoStructTest");
    xmlrpc_struct_find_value(&env, answer, "inner", &given);
    check("echoStructTest");
    equal("inner", member(given, "deep"), 7);
    equal("flat", member(answer, "flat"), 8);
    xmlrpc_DECREF(given);
    xmlrpc_DECREF(answer);

    {
        const unsigned char octets[] = {0, 1, 255};
        const char *text, *when;
        const unsigned char *back;
        size_t length;
        xmlrpc_bool truth;
        double wide;
        answer = xmlrpc_client_call(&env, url, "validator1.manyTypesTest", "(ibsd86)", 7, (xmlrpc_bool)1, "text", 3.25,
                                    "20261123T07:15:30", octets, sizeof octets);
        check("manyTypesTest");
        xmlrpc_decompose_value(&env, answer, "(ibsd86)", &number, &truth, &text, &wide, &when, &back, &length);
        check("manyTypesTest");
        equal("int", number, 7);
        equal("boolean", truth, 1);
        equal("string", strcmp(text, "text"), 0);
        equal("double", wide == 3.25, 1);
        equal("dateTime", strcmp(when, "20261123T07:15:30"), 0);
        equal("base64", length == sizeof octets && memcmp(back, octets, length) == 0, 1);
        xmlrpc_DECREF(answer);
    }

    given = xmlrpc_array_new(&env);
    for (at = 0; at < 150; at++) {
        char text[16];
        xmlrpc_value *item;
        snprintf(text, sizeof text, "<%d>", at);
        item = xmlrpc_string_new(&env, text);
        xmlrpc_array_append_item(&env, given, item);
        xmlrpc_DECREF(item);
    }
    {
        const char *text;
        answer = xmlrpc_client_call(&env, url, "validator1.moderateSizeArrayCheck", "(A)", given);
        check("moderateSizeArrayCheck");
        xmlrpc_read_string(&env, answer, &text);
        check("moderateSizeArrayCheck");
        equal("moderateSizeArrayCheck", strcmp(text, "<0><149>"), 0);
        xmlrpc_DECREF(answer);
        xmlrpc_DECREF(given);
    }

    answer = xmlrpc_client_call(&env, url, "validator1.nestedStructTest", "({s:{s:{s:{s:i,s:i,s:i}}}})", "2000", "04", "01",
                                "moe", 10, "larry", 20, "curly", 5);
    check("nestedStructTest");
    xmlrpc_read_int(&env, answer, &number);
    check("nestedStructTest");
    equal("nestedStructTest", number, 35);
    xmlrpc_DECREF(answer);

    answer = xmlrpc_client_call(&env, url, "validator1.simpleStructReturnTest", "(i)", 13);
    check("simpleStructReturnTest");
    equal("times10", member(answer, "times10"), 130);
    equal("times100", member(answer, "times100"), 1300);
    equal("times1000", member(answer, "times1000"), 13000);
    xmlrpc_DECREF(answer);

    xmlrpc_client_call(&env, url, "validator1.nobody", "()");
    equal("the fault's code", env.fault_code, -32601);
    xmlrpc_client_cleanup();
    return 0;
}
