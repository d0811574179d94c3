package tenure.peer;

import java.math.BigDecimal;
import java.util.Map;
import java.util.TreeMap;

/** The numbers of one period, of some customers or of all. */
final class Answers {
    private static final int MILLIONTHS_DIGITS = 6;

    long signups;
    long churns;
    private long atStart;
    private long retained;
    private long promoters;
    private long passives;
    private long detractors;
    private long answers;
    private long orders;
    /** Millionths by currency. */
    private final Map<Integer, Long> revenue = new TreeMap<>();

    void addCustomer(boolean activeAtStart, boolean activeAtEnd) {
        if (activeAtStart) {
            atStart++;
            if (activeAtEnd) {
                retained++;
            }
        }
    }

    void addOrder(int currency, long amount) {
        orders++;
        revenue.merge(currency, amount, Math::addExact);
    }

    void addAnswer(byte survey, byte score) {
        answers++;
        if (survey != Event.NPS) {
            return;
        }
        if (score >= 9) {
            promoters++;
        } else if (score >= 7) {
            passives++;
        } else {
            detractors++;
        }
    }

    void add(Answers other) {
        signups += other.signups;
        churns += other.churns;
        atStart += other.atStart;
        retained += other.retained;
        promoters += other.promoters;
        passives += other.passives;
        detractors += other.detractors;
        answers += other.answers;
        orders += other.orders;
        other.revenue.forEach((currency, amount) -> revenue.merge(currency, amount, Math::addExact));
    }

    /** As a JSON object; a ratio of nothing is null. */
    String json() {
        StringBuilder amounts = new StringBuilder();
        revenue.forEach((currency, amount) -> amounts.append(amounts.isEmpty() ? "" : ",")
                .append('"').append(EventParser.currencyName(currency)).append("\":\"")
                .append(BigDecimal.valueOf(amount, MILLIONTHS_DIGITS).stripTrailingZeros().toPlainString())
                .append('"'));
        return "{\"retention_customers\":" + atStart + ",\"retained_customers\":" + retained
                + ",\"retention_ratio\":" + ratio(retained, atStart)
                + ",\"promoters\":" + promoters + ",\"passives\":" + passives + ",\"detractors\":" + detractors
                + ",\"nps\":" + ratio(100 * (promoters - detractors), promoters + passives + detractors)
                + ",\"orders\":" + orders + ",\"revenue\":{" + amounts + "},\"signups\":" + signups
                + ",\"churns\":" + churns + ",\"answers\":" + answers + "}";
    }

    private static String ratio(long part, long whole) {
        return whole == 0 ? "null" : Double.toString((double) part / whole);
    }
}
