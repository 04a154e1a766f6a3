// Posts of Java's own client as it comes: it offers to go on in HTTP/2 (h2c) with each connection it opens.
//
// `java Posts.java PORT COUNT`, or `URL COUNT`, posts that many sums, from four threads, and prints how many answers were
// right, how many wrong and how many calls failed, then what the failures said.

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

public class Posts {
    public static void main(String[] words) throws Exception {
        URI add = URI.create((words[0].contains(":") ? words[0] : "http://127.0.0.1:" + words[0]) + "/add");
        int count = Integer.parseInt(words[1]);
        HttpClient client = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(5)).build();
        AtomicInteger next = new AtomicInteger(), right = new AtomicInteger(), wrong = new AtomicInteger();
        Map<String, Integer> failures = new ConcurrentHashMap<>();
        var threads = Executors.newFixedThreadPool(4);
        for (int thread = 0; thread < 4; thread++) {
            threads.submit(() -> {
                for (int n; (n = next.getAndIncrement()) < count;) {
                    HttpRequest post = HttpRequest.newBuilder(add).timeout(Duration.ofSeconds(10))
                        .header("Content-Type", "application/json")
                        .POST(HttpRequest.BodyPublishers.ofString("{\"a\": 1200, \"b\": " + n + "}")).build();
                    try {
                        HttpResponse<String> answer = client.send(post, HttpResponse.BodyHandlers.ofString());
                        boolean isRight = answer.statusCode() == 200 && answer.body().equals("" + (1200 + n));
                        (isRight ? right : wrong).incrementAndGet();
                    } catch (Exception error) {
                        failures.merge(error.toString(), 1, Integer::sum);
                    }
                }
            });
        }
        threads.shutdown();
        threads.awaitTermination(10, TimeUnit.MINUTES);
        int failed = failures.values().stream().mapToInt(Integer::intValue).sum();
        System.out.println(right + " " + wrong + " " + failed);
        System.out.println(failures);
        System.exit(0);
    }
}
