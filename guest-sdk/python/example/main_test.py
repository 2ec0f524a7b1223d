import datetime
import unittest

import adptest
import main

may, april = datetime.date(2026, 5, 1), datetime.date(2026, 4, 1)


def host():
    return (
        adptest.Host()
        .input("airports", "snapshot", code="string", name="string", city="string?")
        .input("strikes", airport="string", date="date", cost="int64?")
        .output("risk", "upsert", airport="string", name="string?", city="string?", strikes="int64", cost="int64", last="date")
    )


class Risk(unittest.TestCase):
    def test_the_second_run_goes_on_where_the_state_of_the_first_ended(self):
        first = host().config("minimum_cost", "10").open()
        first.feed("airports", [{"code": "SEA", "name": "Tacoma International", "city": "Seattle"}, {"code": "XXX", "name": "Nowhere"}])
        strikes = [(may, 100), (april, 9), (april, None)]
        first.feed("strikes", [{"airport": "SEA", "date": date, "cost": cost} for date, cost in strikes]).flush()
        sea = {"airport": "SEA", "name": "Tacoma International", "city": "Seattle", "strikes": 1, "cost": 100, "last": may}
        self.assertEqual(first.emitted("risk"), [sea])
        self.assertEqual(first.metrics["strikes_ignored"], 2)
        self.assertIn("airports touched: 1", first.logged("info"))

        second = host().after(first).open()
        second.feed("strikes", [{"airport": "SEA", "date": april, "cost": 11}]).flush()
        (risk,) = second.emitted("risk")
        self.assertEqual((risk["strikes"], risk["cost"], risk["last"], risk["name"]), (2, 111, may, None))

    def test_a_setting_that_is_no_number(self):
        with self.assertRaisesRegex(ValueError, "setting minimum_cost: 'cheap' is not int"):
            host().config("minimum_cost", "cheap").open()


if __name__ == "__main__":
    unittest.main()
