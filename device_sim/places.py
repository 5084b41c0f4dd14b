"""Forty believable stations: where they are, what they are called, and what stands in them."""

# ruff: noqa: E501  one station a line is easier to read than eight

from __future__ import annotations

from typing import Literal, NamedTuple

Grade = Literal["basic", "benchmark", "smart24h"]


class Spot(NamedTuple):
    """`equipped` has door and people counter; `slots` above zero adds a swap cabinet of that size."""

    adcode: str
    name: str
    name_en: str
    road: str
    road_en: str
    grade: Grade
    equipped: bool = True
    slots: int = 0
    hours: str | None = None
    night_hours: str | None = None


SMART: Grade = "smart24h"
BENCH: Grade = "benchmark"
BASIC: Grade = "basic"

SPOTS: tuple[Spot, ...] = (
    # Jiaojiang: ten stations with cabinets.
    Spot("331002", "椒江万达劳动者驿站", "Jiaojiang Wanda", "东环大道", "Donghuan Avenue", SMART, slots=12),
    Spot("331002", "葭沚老街劳动者驿站", "Jiazhi Old Street", "葭沚路", "Jiazhi Road", SMART, slots=10),
    Spot("331002", "市民广场劳动者驿站", "Citizens' Square", "市府大道", "Shifu Avenue", SMART, slots=12),
    Spot("331002", "白云山南路劳动者驿站", "Baiyunshan South Road", "白云山南路", "Baiyunshan South Road", SMART, slots=10),
    Spot("331002", "海门老街劳动者驿站", "Haimen Old Street", "北新椒街", "Beixinjiao Street", BENCH, slots=10),
    Spot("331002", "中心大道劳动者驿站", "Zhongxin Avenue", "中心大道", "Zhongxin Avenue", SMART, slots=12),
    Spot("331002", "洪家商城劳动者驿站", "Hongjia Market", "洪家街", "Hongjia Street", BENCH, slots=10, night_hours="22:00-07:00"),
    Spot("331002", "下陈工业区劳动者驿站", "Xiachen Works", "机场路", "Jichang Road", SMART, slots=10, hours="06:00-23:00"),
    Spot("331002", "前所码头劳动者驿站", "Qiansuo Ferry", "海虹大道", "Haihong Avenue", SMART, slots=12),
    Spot("331002", "三甲街道劳动者驿站", "Sanjia", "开发大道", "Kaifa Avenue", BENCH, slots=10),
    # Elsewhere in Zhejiang, with door and people counter.
    Spot("331003", "黄岩橘乡劳动者驿站", "Huangyan Orange Village", "劳动北路", "Laodong North Road", BENCH),
    Spot("331004", "路桥十里长街劳动者驿站", "Luqiao Long Street", "南官大道", "Nanguan Avenue", SMART),
    Spot("331082", "临海紫阳街劳动者驿站", "Linhai Ziyang Street", "紫阳街", "Ziyang Street", SMART),
    Spot("331081", "温岭九龙汇劳动者驿站", "Wenling Jiulonghui", "万昌中路", "Wanchang Middle Road", BENCH),
    Spot("330102", "望江街道“小哥”驿站", "Wangjiang Couriers", "望江东路", "Wangjiang East Road", SMART, slots=12),
    Spot("330102", "湖滨环卫驿站", "Hubin Sanitation", "延安路", "Yan'an Road", SMART),
    Spot("330106", "古荡工会驿站", "Gudang", "文三路", "Wensan Road", BENCH),
    Spot("330108", "滨江长河劳动者驿站", "Binjiang Changhe", "江南大道", "Jiangnan Avenue", SMART),
    Spot("330110", "余杭未来科技城驿站", "Yuhang Future City", "文一西路", "Wenyi West Road", SMART, slots=10),
    Spot("330109", "萧山机场蓄车区司机驿站", "Xiaoshan Airport Drivers", "机场高速路", "Airport Expressway", SMART),
    Spot("330203", "海曙鼓楼劳动者驿站", "Haishu Drum Tower", "中山西路", "Zhongshan West Road", SMART),
    Spot("330212", "鄞州万达工会驿站", "Yinzhou Wanda", "四明中路", "Siming Middle Road", BENCH),
    Spot("330282", "慈溪浒山骑手驿站", "Cixi Hushan Riders", "浒山路", "Hushan Road", SMART),
    Spot("330302", "鹿城五马街劳动者驿站", "Lucheng Wuma Street", "五马街", "Wuma Street", SMART),
    Spot("330302", "鹿城南塘工会驿站", "Lucheng Nantang", "南塘大道", "Nantang Avenue", BENCH),
    Spot("330402", "南湖工商银行“嘉工驿站”", "Nanhu ICBC", "中环南路", "Zhonghuan South Road", SMART),
    Spot("330502", "吴兴爱山广场劳动者驿站", "Wuxing Aishan Square", "红旗路", "Hongqi Road", SMART),
    Spot("330602", "越城鲁迅故里驿站", "Yuecheng Lu Xun Home", "鲁迅中路", "Luxun Middle Road", BENCH),
    Spot("330782", "义乌国际商贸城驿站", "Yiwu Trade City", "稠州北路", "Chouzhou North Road", SMART, slots=12),
    Spot("330802", "柯城水亭门劳动者驿站", "Kecheng Shuitingmen", "下街", "Xia Street", SMART),
    Spot("330902", "定海海岛劳动者驿站", "Dinghai Islands", "解放西路", "Jiefang West Road", BENCH),
    Spot("331121", "青田瓯南“青蜂侠”驿站", "Qingtian Ounan", "江南大道", "Jiangnan Avenue", SMART),
    # With hours only.
    Spot("330105", "拱墅邮政爱心驿站", "Gongshu Post", "莫干山路", "Moganshan Road", BASIC, False),
    Spot("330281", "余姚图书角劳动者驿站", "Yuyao Reading Corner", "南滨江路", "Nanbinjiang Road", BASIC, False),
    Spot("330523", "安吉城市驿站", "Anji City", "昌硕大道", "Changshuo Avenue", BASIC, False),
    Spot("330703", "金东电信“爱心翼站”", "Jindong Telecom", "光南路", "Guangnan Road", BASIC, False),
    Spot("330681", "诸暨供电营业厅驿站", "Zhuji Power Hall", "暨阳路", "Jiyang Road", BASIC, False),
    Spot("330483", "桐乡加油站劳动者驿站", "Tongxiang Petrol Station", "振兴路", "Zhenxing Road", BASIC, False),
    Spot("330381", "瑞安党群服务中心驿站", "Ruian Service Centre", "万松东路", "Wansong East Road", BASIC, False),
    Spot("331102", "莲都农商银行驿站", "Liandu Bank", "中山街", "Zhongshan Street", BASIC, False),
)  # fmt: skip

MORE_NAMES: tuple[tuple[str, str], ...] = (
    ("邮政", "Post"),
    ("电信营业厅", "Telecom"),
    ("农商银行", "Bank"),
    ("党群服务中心", "Service Centre"),
    ("加油站", "Petrol Station"),
    ("供电所", "Power Hall"),
    ("环卫所", "Sanitation"),
    ("商业广场", "Plaza"),
)
MORE_ROADS: tuple[tuple[str, str], ...] = (
    ("人民路", "Renmin Road"),
    ("解放路", "Jiefang Road"),
    ("中山路", "Zhongshan Road"),
    ("建设路", "Jianshe Road"),
    ("文化路", "Wenhua Road"),
    ("府前街", "Fuqian Street"),
)
