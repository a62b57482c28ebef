// SPDX-License-Identifier: Apache-2.0
//
// net_requests echo: answers each datagram by itself, and each MiB of a stream by a byte.
// net_requests ADDRESS NAME MARK: what talking with that costs, in TSC ticks: 64 bytes there and back, and a stream for each KiB of it. Both ends
// are the same guest's, in two network namespaces, or on one loopback. What is printed: measure.h.
#include "tests/bench/linux/measure.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// A stream is written by one call each time: in smaller pieces each frame is acknowledged before the next is sent, so that TCP's congestion window
// does not grow until frames have 64 KiB.
enum { port = 7, message_bytes = 64, stream = 1 << 20, piece = stream, datagram_rounds = 1001, stream_rounds = 33 };

static unsigned char bytes[piece];
static int datagrams, connection;

static void send_all(int socket, size_t count)
{
    for (size_t done = 0; done < count;) {
        ssize_t const sent = write(socket, bytes, count - done < piece ? count - done : piece);
        if (sent <= 0)
            fail("write");
        done += (size_t)sent;
    }
}

// False: the other end has closed.
static int receive_all(int socket, size_t count)
{
    for (size_t done = 0; done < count;) {
        ssize_t const got = read(socket, bytes, count - done < piece ? count - done : piece);
        if (got < 0)
            fail("read");
        if (got == 0)
            return 0;
        done += (size_t)got;
    }
    return 1;
}

static int serve(int type)
{
    struct sockaddr_in const here = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {.s_addr = INADDR_ANY}};
    int const server = socket(AF_INET, type, 0);
    if (server < 0 || bind(server, (struct sockaddr const*)&here, sizeof here) != 0)
        fail("an end that answers");
    return server;
}

static _Noreturn void echo(void)
{
    int const of_datagrams = serve(SOCK_DGRAM), of_streams = serve(SOCK_STREAM);   // who can connect finds both
    if (listen(of_streams, 1) != 0)
        fail("listen");
    int const child = fork();
    if (child < 0)
        fail("fork");
    while (child == 0) {
        struct sockaddr_in from;
        socklen_t size = sizeof from;
        ssize_t const got = recvfrom(of_datagrams, bytes, sizeof bytes, 0, (struct sockaddr*)&from, &size);
        if (got < 0 || sendto(of_datagrams, bytes, (size_t)got, 0, (struct sockaddr*)&from, size) != got)
            fail("a datagram");
    }
    for (;;) {
        int const one = accept(of_streams, NULL, NULL);
        if (one < 0)
            fail("accept");
        while (receive_all(one, stream))
            send_all(one, 1);
        close(one);
    }
}

static void datagram(unsigned number)
{
    memcpy(bytes, &number, sizeof number);
    if (send(datagrams, bytes, message_bytes, 0) != message_bytes || recv(datagrams, bytes, sizeof bytes, 0) != message_bytes || memcmp(bytes, &number, sizeof number) != 0)
        fail("a datagram and its answer");
}

static void mebibyte(unsigned number)
{
    (void)number;
    send_all(connection, stream);
    if (!receive_all(connection, 1))
        fail("a stream's answer");
}

int main(int count, char** words)
{
    if (count == 2 && strcmp(words[1], "echo") == 0)
        echo();
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (count != 4 || inet_pton(AF_INET, words[1], &there.sin_addr) != 1) {
        fprintf(stderr, "usage: net_requests echo | net_requests ADDRESS NAME MARK\n");
        return 2;
    }
    measure_as(words[2], words[3]);
    // The other end may only just begin.
    for (unsigned attempt = 0;; attempt++) {
        connection = socket(AF_INET, SOCK_STREAM, 0);
        if (connection < 0)
            fail("socket");
        if (connect(connection, (struct sockaddr*)&there, sizeof there) == 0)
            break;
        if (errno != ECONNREFUSED || attempt == 1000)
            fail(words[1]);
        close(connection);
        usleep(1000);
    }
    datagrams = socket(AF_INET, SOCK_DGRAM, 0);
    if (datagrams < 0 || connect(datagrams, (struct sockaddr*)&there, sizeof there) != 0)
        fail("datagrams");
    measure("udp", datagram_rounds, 1, datagram);
    measure("tcp", stream_rounds, stream >> 10, mebibyte);
    return 0;
}
