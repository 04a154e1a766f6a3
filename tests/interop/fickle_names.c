/* A name server that changes its mind, for LD_PRELOAD: `getaddrinfo` answers from the file FICKLE_NAMES and appends
 * each name that it is asked for to the file FICKLE_ASKED.
 *
 * A line is a name and its answers, one for each time that it is asked for, the last one for ever; the addresses of an
 * answer have commas between them: `fickle.test 127.0.0.2 127.0.0.3,::1`. Names that are not in the file are those of
 * the system. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int lookup(const char *, const char *, const struct addrinfo *, struct addrinfo **);

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

/* How often the name was asked for before; notes that it is asked for now. */
static int asked_before(const char *name) {
    char line[1024];
    int count = 0;
    FILE *asked = fopen(getenv("FICKLE_ASKED"), "a+");
    if (!asked)
        abort();
    rewind(asked);
    while (fgets(line, sizeof line, asked)) {
        line[strcspn(line, "\n")] = 0;
        count += !strcmp(line, name);
    }
    fprintf(asked, "%s\n", name);
    fclose(asked);
    return count;
}

/* The answer in this line that is due, in place; 0 if the line is of another name. */
static char *answer_in(char *line, const char *name) {
    char *rest, *word = strtok_r(line, " \n", &rest);
    if (!word || strcmp(word, name))
        return 0;
    int turn = asked_before(name);
    char *answer = strtok_r(0, " \n", &rest);
    for (char *next; turn-- > 0 && (next = strtok_r(0, " \n", &rest));)
        answer = next;
    return answer;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    lookup *real = (lookup *)dlsym(RTLD_NEXT, "getaddrinfo");
    char line[1024], *answer = 0;
    FILE *names = name ? fopen(getenv("FICKLE_NAMES"), "r") : 0;
    pthread_mutex_lock(&one_at_a_time);
    while (names && !answer && fgets(line, sizeof line, names))
        answer = answer_in(line, name);
    pthread_mutex_unlock(&one_at_a_time);
    if (names)
        fclose(names);
    if (!answer)
        return real(name, service, hints, found);
    struct addrinfo **end = found;
    char *rest;
    for (char *address = strtok_r(answer, ",", &rest); address; address = strtok_r(0, ",", &rest)) {
        int code = real(address, service, hints, end);
        if (code)
            return code;
        while (*end)
            end = &(*end)->ai_next;
    }
    return 0;
}
